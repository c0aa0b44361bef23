package main

import (
	"encoding/hex"
	"fmt"

	"github.com/wampgate/wampgate/gateway/authn"
)

type tokenCommand struct{}

// Run prints a new API key, and what to put into the configuration file in its
// stead. The key is printed this once and kept nowhere.
func (tokenCommand) Run(p *process) error {
	key, kept := authn.NewAPIKey()
	_, err := fmt.Fprintf(p.Stdout, `%s

Whoever sends this key as "Authorization: Bearer KEY" or "X-API-Key: KEY" is the
principal that the configuration file gives it to. It cannot be shown again.

principals:
  NAME:
    api-keys: ["sha256:%s"] # %s…
`, key, hex.EncodeToString(kept[:]), authn.APIKeyName(key))
	return err
}
