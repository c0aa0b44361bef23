package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// trust says how a command reaches a gateway over TLS, and is flags.
type trust struct {
	CA   string `group:"Credentials" name:"ca" placeholder:"FILE" help:"Authorities that vouch for the gateway, in PEM; those of the system unless given."`
	Cert string `group:"Credentials" name:"cert" placeholder:"FILE" help:"Your certificate in PEM."`
	Key  string `group:"Credentials" name:"key" placeholder:"FILE" help:"The private key of that."`
}

// client returns an HTTP client, which leaves nothing behind that is idle.
func (t *trust) client() (*http.Client, error) {
	if *t == (trust{}) {
		return newClient(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		data, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("--ca: %s holds no certificate in PEM", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("--cert and --key belong together: a certificate and its private key")
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("--cert %s with --key %s: %w", t.Cert, t.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	client := newClient()
	client.Transport.(*http.Transport).TLSClientConfig = config //nolint:forcetypeassert // as newClient makes it
	return client, nil
}

// do makes a request to a gateway. The error is for the user; if it came because
// ctx ended, that is what it says.
func (t *trust) do(ctx context.Context, r *http.Request, gateway string) (*http.Response, error) {
	client, err := t.client()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	resp, err := client.Do(r) //nolint:gosec // the user says which gateway
	if err != nil {
		return nil, noAnswer(ctx, gateway, err)
	}
	return resp, nil
}

// A login says who a command is, and is flags. None of them holds a secret:
// others on the machine see the command line.
type login struct {
	trust
	User       string `group:"Credentials" name:"user" placeholder:"AUTHID" help:"Who you are; needs a ticket."`
	Method     string `group:"Credentials" name:"method" default:"ticket" enum:"ticket,wampcra" help:"How the ticket is shown over WAMP: ${enum}."`
	TicketFile string `group:"Credentials" name:"ticket-file" placeholder:"FILE" help:"Holds your ticket or password; or else WAMPGATE_TICKET is it."`
	TokenFile  string `group:"Credentials" name:"token-file" placeholder:"FILE" help:"Holds a JSON Web Token; or else WAMPGATE_TOKEN is it."`
	APIKeyFile string `group:"Credentials" name:"api-key-file" placeholder:"FILE" help:"Holds an API key, for HTTP; or else WAMPGATE_API_KEY is it."`
}

// credentialVariables are the environment variables that commands other than
// serve read credentials from.
func credentialVariables() []string {
	var names []string
	for _, flag := range []string{
		"ca", "cert", "key", "user", "method", "ticket", "ticket-file", "token", "token-file", "api-key", "api-key-file",
	} {
		names = append(names, variable(flag))
	}
	return names
}

// A secret is what somebody shows, and what kind it is.
type secret struct {
	kind string // ticket, token, api-key, or empty: none
	text string
}

// secret reads the secret from its file or variable.
func (l *login) secret(p *process) (secret, error) {
	var found []secret
	for _, s := range []struct{ kind, file string }{{"ticket", l.TicketFile}, {"token", l.TokenFile}, {"api-key", l.APIKeyFile}} {
		text, err := secretFor(p, s.kind, s.file)
		if err != nil {
			return secret{}, err
		}
		if text != "" {
			found = append(found, secret{s.kind, text})
		}
	}
	switch {
	case len(found) > 1:
		return secret{}, fmt.Errorf("there are both %s and %s, in files or variables; give one of them", found[0].kind, found[1].kind)
	case len(found) == 0 && l.User != "" && l.Cert == "":
		return secret{}, fmt.Errorf("--user %s needs --ticket-file, or the ticket in %s", l.User, variable("ticket"))
	case len(found) == 0:
		return secret{}, nil
	case found[0].kind == "ticket" && l.User == "":
		return secret{}, errors.New("a ticket needs --user: whose is it?")
	}
	return found[0], nil
}

// secretFor returns what a file holds or, where none is named, the value of a
// variable. Errors do not repeat it.
func secretFor(p *process, kind, file string) (string, error) {
	if file == "" {
		for _, kv := range p.Env {
			if text, ok := strings.CutPrefix(kv, variable(kind)+"="); ok {
				return text, nil
			}
		}
		return "", nil
	}
	text, err := readSecret(file)
	if err != nil {
		return "", fmt.Errorf("--%s-file: %w", kind, err)
	}
	return text, nil
}

// authorize puts the credentials into a request. They go into Authorization
// alone, which a redirection to another host loses.
func (l *login) authorize(p *process, r *http.Request) error {
	s, err := l.secret(p)
	if err != nil {
		return err
	}
	switch s.kind {
	case "":
	case "ticket":
		r.SetBasicAuth(l.User, s.text)
	default:
		r.Header.Set("Authorization", "Bearer "+s.text)
	}
	return nil
}

// join opens a session with the credentials. The error wraps
// [transport.ErrAborted] if the router refuses them.
func (l *login) join(ctx context.Context, p *process, conn *transport.Conn, hello *wamp.Hello) (*wamp.Welcome, error) {
	s, err := l.secret(p)
	if err != nil {
		return nil, err
	}
	var methods []any
	if l.Cert != "" {
		methods = append(methods, auth.TLS)
	}
	switch s.kind {
	case "ticket":
		methods = append(methods, l.Method)
	case "token":
		methods = append(methods, auth.Ticket)
	}
	if methods != nil {
		hello.Details["authmethods"] = methods
	}
	if l.User != "" {
		hello.Details["authid"] = l.User
	}
	return conn.Login(ctx, hello, func(challenge *wamp.Challenge) (*wamp.Authenticate, error) {
		if !slices.Contains(methods, any(challenge.AuthMethod)) {
			return nil, fmt.Errorf("the router wants method %q, which was not offered", challenge.AuthMethod)
		}
		if challenge.AuthMethod != auth.CRA {
			return &wamp.Authenticate{Signature: s.text}, nil
		}
		return answerCRA(s.text, challenge)
	})
}

// maxCRAIterations bounds what a router can have a command compute.
const maxCRAIterations = 10_000_000

// answerCRA signs a challenge, with the key that a salt makes of the secret.
func answerCRA(text string, challenge *wamp.Challenge) (*wamp.Authenticate, error) {
	what, _ := challenge.Extra.String("challenge")
	if salt, _ := challenge.Extra.String("salt"); salt != "" {
		iterations, keylen := auth.DefaultCRAIterations, auth.DefaultCRAKeylen
		if n, ok := challenge.Extra["iterations"].(int64); ok && n > 0 && n <= maxCRAIterations {
			iterations = int(n)
		}
		if n, ok := challenge.Extra["keylen"].(int64); ok && n > 0 && n <= 64 {
			keylen = int(n)
		}
		var err error
		if text, err = auth.DeriveCRAKey(text, salt, iterations, keylen); err != nil {
			return nil, err
		}
	}
	return &wamp.Authenticate{Signature: auth.SignCRA([]byte(text), what)}, nil
}

// checkWAMP refuses what WAMP has no use for, before anything is connected.
func (l *login) checkWAMP(p *process) error {
	s, err := l.secret(p)
	if err == nil && s.kind == "api-key" {
		return errors.New("WAMP sessions know no API keys: give a ticket, a token or a certificate")
	}
	return err
}
