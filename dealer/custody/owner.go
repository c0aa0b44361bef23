package custody

import (
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// AdminRole is the role that sees what is everybody's.
const AdminRole = "admin"

// Anonymous is the owner of what all those have who come without credentials.
const Anonymous = "anonymous"

// Owner returns whom that belongs to which a session has kept. All that come
// without credentials are one: their authids last no longer than their
// connections.
func Owner(id wamp.Identity) string {
	if id.Authmethod == "anonymous" || id.Authid == "" {
		return Anonymous
	}
	return "=" + id.Authid
}

// Readable returns an owner as people are told: the authid, or [Anonymous].
func Readable(owner string) string { return strings.TrimPrefix(owner, "=") }
