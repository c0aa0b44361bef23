package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
)

type keygenCommand struct {
	File string `arg:"" placeholder:"FILE" help:"Where the private key goes; must not be there yet."`
}

// Help tells of what the command line cannot.
func (*keygenCommand) Help() string {
	return "Makes a key pair for cryptosign. The private key (64 hexadecimal digits) goes to a file that its owner alone can read, " +
		"the public key is printed, as it goes below a principal in the configuration file."
}

// Run makes a key pair.
func (c *keygenCommand) Run(p *process) (err error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := fmt.Fprintln(f, hex.EncodeToString(private.Seed())); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "cryptosign: %s\n", hex.EncodeToString(public))
	return err
}
