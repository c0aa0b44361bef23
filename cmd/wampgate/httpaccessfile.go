package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// jwt reads the issuers whose tokens are taken.
func (r *accessReader) jwt(node ast.Node) error {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return errors.New("must be a list of issuers")
	}
	h := &r.access.http
	before := len(r.errs)
	for _, n := range list.Values {
		h.issuers = append(h.issuers, r.issuer(n))
	}
	if len(r.errs) > before {
		return nil // which have been told
	}
	var err error
	h.tokens, err = authn.NewTokens(h.issuers)
	return err
}

// issuer reads one of them.
func (r *accessReader) issuer(node ast.Node) authn.Issuer {
	var is authn.Issuer
	r.fields(node, "auth: jwt", map[string]field{
		"issuer":       readText(&is.Issuer),
		"keys":         readText(&is.Keys),
		"audience":     readList(func(s string) error { is.Audience = append(is.Audience, s); return nil }),
		"algorithms":   readList(func(s string) error { is.Algorithms = append(is.Algorithms, s); return nil }),
		"leeway":       readDuration(&is.Leeway),
		"authid":       readText(&is.Authid),
		"authrole":     readText(&is.Authrole),
		"default-role": readText(&is.DefaultRole),
		"roles": func(node ast.Node) error {
			for _, e := range r.entries(node, "auth: jwt: roles") {
				role := authn.RoleOf{Value: e.name}
				if err := readText(&role.Authrole)(e.value); err != nil {
					return err
				}
				is.Roles = append(is.Roles, role)
			}
			return nil
		},
	})
	if is.Keys != "" && !strings.Contains(is.Keys, "://") {
		if !filepath.IsAbs(is.Keys) {
			is.Keys = filepath.Join(filepath.Dir(r.path), is.Keys)
		}
		r.access.files = append(r.access.files, is.Keys)
	}
	return is
}

// certificateRules reads whom client certificates stand for, by their names.
func (r *accessReader) certificateRules(node ast.Node) error {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return errors.New("must be a list of rules")
	}
	h := &r.access.http
	for _, n := range list.Values {
		var rule authn.CertificateRule
		r.fields(n, "auth: certificates", map[string]field{
			"name":   readText(&rule.Name),
			"authid": readText(&rule.Authid),
			"role":   readText(&rule.Authrole),
		})
		h.certificates = append(h.certificates, rule)
	}
	_, err := authn.NewCertificates(nil, h.certificates)
	return err
}

// httpDynamic reads which procedure decides about HTTP requests.
func (r *accessReader) httpDynamic(node ast.Node) error {
	d := &httpDynamic{}
	r.access.http.dynamic = d
	r.fields(node, "auth: http", map[string]field{
		"procedure": readURI(&d.procedure),
		"headers":   readList(func(s string) error { d.headers = append(d.headers, s); return nil }),
	})
	if d.procedure == "" {
		return fmt.Errorf("has no procedure, such as %s", "gateway.authenticate")
	}
	return nil
}

// signingKey reads what a principal signs requests with.
func (r *accessReader) signingKey(authid string, node ast.Node) error {
	key := authn.SigningKey{Identity: wamp.Identity{Authid: authid}}
	before := len(r.errs)
	r.fields(node, "signing-key", map[string]field{
		"name":   readText(&key.Key),
		"secret": r.secret(func(s string) error { key.Secret = s; return nil }),
	})
	if len(r.errs) > before {
		return nil // which have been told
	}
	h := &r.access.http
	h.signing = append(h.signing, key)
	key.Identity.Authrole = "unknown" // until all is read
	_, err := authn.NewSignatures([]authn.SigningKey{key}, 1)
	return err
}
