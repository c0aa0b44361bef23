package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wampgate/wampgate/dealer/auth"
)

type hashPasswordCommand struct {
	For string `default:"ticket" enum:"ticket,scram,wampcra" help:"What the password is for: ${enum}."`
	KDF string `name:"kdf" default:"argon2id" enum:"argon2id,pbkdf2" help:"What makes guessing slow: ${enum}; wampcra knows pbkdf2 alone."`
}

// Help tells of what the command line cannot.
func (*hashPasswordCommand) Help() string {
	return "The password is the first line of standard input. What is printed goes below a principal in the configuration file."
}

// The costs of what clients have to compute.
const (
	scramPasses     = 3
	scramMemory     = 64 << 10 // KiB
	scramIterations = 100_000
	craIterations   = 100_000
)

// Run reads a password and prints what is kept of it.
func (c *hashPasswordCommand) Run(p *process) error {
	password, err := readPassword(p)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	out, err := c.hash(password, salt)
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.Stdout, out)
	return err
}

// hash returns lines of YAML.
func (c *hashPasswordCommand) hash(password string, salt []byte) (string, error) {
	argon := c.KDF == "argon2id"
	switch c.For {
	case "scram":
		iterations, memory := scramIterations, 0
		if argon {
			iterations, memory = scramPasses, scramMemory
		}
		v, err := auth.NewSCRAMVerifier(password, argon, salt, iterations, memory)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("scram: %s\n", v), nil
	case "wampcra":
		text := base64.RawURLEncoding.EncodeToString(salt)
		key, err := auth.DeriveCRAKey(password, text, craIterations, auth.DefaultCRAKeylen)
		if err != nil {
			return "", err
		}
		const lines = "# Keep this key as the secret that it is: in a file or a variable, and then\n" +
			"# wampcra-key: {key: {file: PATH}, salt: %s, iterations: %d, keylen: %d}\n%s\n"
		return fmt.Sprintf(lines, text, craIterations, auth.DefaultCRAKeylen, key), nil
	}
	h, err := auth.HashPassword(password, argon, salt)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("ticket-hash: %s\n", h), nil
}

// readPassword reads the first line of standard input. On a terminal it asks
// for it, and what is typed is not shown.
func readPassword(p *process) (string, error) {
	if f, ok := p.Stdin.(*os.File); ok {
		if restore, ok := hideTyping(f); ok {
			defer restore()
			_, _ = fmt.Fprint(p.Stderr, "Password: ")
			defer fmt.Fprintln(p.Stderr) //nolint:errcheck // the line end that was not shown
		}
	}
	line, err := bufio.NewReader(io.LimitReader(p.Stdin, maxSecret)).ReadString('\n')
	password := strings.TrimRight(line, "\r\n")
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return "", fmt.Errorf("read password: %w", err)
	case password == "":
		return "", errors.New("no password; it is the first line of standard input")
	}
	return password, nil
}
