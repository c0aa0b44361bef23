package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// dynamicProvider is the authprovider of principals that a procedure let in.
const dynamicProvider = "dynamic"

// A Dynamic has a procedure of the realm decide who may join. It is called with
//
//	[realm, authid, {"authmethod", "session", "peer", "authextra", "ticket"}]
//
// "ticket" only with that method. It returns a dict (or, for a ticket, the role
// alone): "role", perhaps another "authid", and what the method needs to go on:
//
//	wampcra     "secret", or "key" with "salt", "iterations", "keylen"
//	wamp-scram  "verifier", as "wampgate hash-password --for scram" prints it
//	cryptosign  "pubkeys", a list
//
// An error of the procedure's means no.
type Dynamic struct {
	Procedure wamp.URI
	Methods   []string // that it decides
}

// An Ask calls a procedure of a realm and returns its result; ctx bounds the
// wait. An error that wraps [ErrRefused] is the callee's own; any other means
// that it could not be asked.
type Ask func(ctx context.Context, realm, procedure wamp.URI, args []any) ([]any, error)

func (d *Dynamic) decides(method string) bool {
	return d != nil && (slices.Contains(d.Methods, method) || slices.Contains(d.Methods, credential(method)))
}

// lookup asks for the credentials of a principal. Both results are nil if the
// procedure knows none.
func (a *attempt) lookup(ctx context.Context) (*Principal, *Denial) {
	answer, err := a.call(ctx, "")
	switch {
	case errors.Is(err, ErrRefused):
		return nil, nil
	case err != nil:
		return nil, failed("the authentication cannot be carried out now", err.Error())
	}
	p, err := readPrincipal(answer, a.authid, a.method)
	if err != nil {
		return nil, failed("the authentication cannot be carried out now", err.Error())
	}
	a.authid = p.Authid
	return p, nil
}

// ask has the procedure decide about a ticket.
func (a *attempt) ask(ctx context.Context, ticket string) Outcome {
	answer, err := a.call(ctx, ticket)
	switch {
	case errors.Is(err, ErrRefused):
		return Outcome{Denial: denied(err.Error())}
	case err != nil:
		return Outcome{Denial: failed("the authentication cannot be carried out now", err.Error())}
	}
	p, err := readPrincipal(answer, a.authid, Ticket)
	if err != nil {
		return Outcome{Denial: failed("the authentication cannot be carried out now", err.Error())}
	}
	extra, _ := answer.Dict("authextra")
	return a.welcome(Grant{Identity: p.identity(Ticket, dynamicProvider), Extra: extra})
}

// call asks the procedure.
func (a *attempt) call(ctx context.Context, ticket string) (wamp.Dict, error) {
	if a.peer.Ask == nil {
		return nil, errors.New("nobody can be asked")
	}
	details := wamp.Dict{"authmethod": a.method, "session": a.peer.Session, "peer": a.peer.Addr}
	if extra, ok := a.peer.Details.Dict("authextra"); ok {
		details["authextra"] = extra
	}
	if a.method == Ticket {
		details["ticket"] = ticket
	}
	procedure := a.config.Dynamic.Procedure
	result, err := a.peer.Ask(ctx, a.peer.Realm, procedure, []any{string(a.peer.Realm), a.authid, details})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", procedure, err)
	}
	if len(result) == 1 {
		switch v := result[0].(type) {
		case wamp.Dict:
			return v, nil
		case string:
			return wamp.Dict{"role": v}, nil
		}
	}
	return nil, fmt.Errorf("%s: the result is neither a dict nor a role", procedure)
}

// readPrincipal reads what a procedure says of a principal.
func readPrincipal(d wamp.Dict, authid, method string) (*Principal, error) {
	p := &Principal{Authid: authid, dynamic: true}
	if name, ok := d.String("authid"); ok && name != "" {
		p.Authid = name
	}
	p.Role, _ = d.String("role")
	if p.Authid == "" || p.Role == "" {
		return nil, errors.New("the result names no role, or no authid")
	}
	return p, p.readCredentials(d, method)
}

func (p *Principal) readCredentials(d wamp.Dict, method string) error {
	var err error
	switch credential(method) {
	case CRA:
		p.CRA, err = readCRA(d)
	case SCRAM:
		text, _ := d.String("verifier")
		p.SCRAM, err = ParseSCRAMVerifier(text)
	case Cryptosign:
		p.Keys, err = readKeys(d)
	}
	return err
}

func readCRA(d wamp.Dict) (*CRASecret, error) {
	if secret, ok := d.String("secret"); ok && d["salt"] == nil {
		return NewCRASecret(secret), nil
	}
	key, _ := d.String("key")
	if key == "" {
		key, _ = d.String("secret") // as Crossbar calls it
	}
	salt, _ := d.String("salt")
	iterations, _ := d.Int("iterations")
	keylen, _ := d.Int("keylen")
	return NewCRAKey(key, salt, int(iterations), int(keylen))
}

func readKeys(d wamp.Dict) ([]PublicKey, error) {
	list, _ := d.List("pubkeys")
	if len(list) == 0 || len(list) > 100 {
		return nil, errors.New("the result has no list of pubkeys, or a long one")
	}
	keys := make([]PublicKey, len(list))
	for i, v := range list {
		text, _ := v.(string)
		var err error
		if keys[i], err = ParsePublicKey(text); err != nil {
			return nil, err
		}
	}
	return keys, nil
}
