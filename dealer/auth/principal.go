package auth

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Fingerprint is the SHA-256 of a certificate's DER, or of an API key.
type Fingerprint [sha256.Size]byte

// A Principal is somebody who may join, however they come. A method works for
// a principal that has the credentials for it.
type Principal struct {
	Authid string
	Role   string
	Realms []wamp.URI // where the principal exists; empty: everywhere

	Ticket       *PasswordHash
	CRA          *CRASecret
	SCRAM        *SCRAMVerifier
	Keys         []PublicKey   // for cryptosign
	Certificates []Fingerprint // for tls
	APIKeys      []Fingerprint // for HTTP

	mock    bool // nobody: no answer to a challenge is right
	dynamic bool // a procedure said so
}

// in reports whether the principal exists in a realm.
func (p *Principal) in(realm wamp.URI) bool {
	return len(p.Realms) == 0 || slices.Contains(p.Realms, realm)
}

// credential returns the method that stands for all methods with the same
// credentials.
func credential(method string) string {
	if method == AutobahnSCRAM {
		return SCRAM
	}
	return method
}

// has reports whether the principal has credentials for a method.
func (p *Principal) has(method string) bool {
	switch credential(method) {
	case Ticket:
		return p.Ticket != nil
	case CRA:
		return p.CRA != nil
	case SCRAM:
		return p.SCRAM != nil
	case Cryptosign:
		return len(p.Keys) > 0
	case TLS:
		return len(p.Certificates) > 0
	}
	return false
}

func (p *Principal) identity(method, provider string) wamp.Identity {
	return wamp.Identity{Authid: p.Authid, Authrole: p.Role, Authmethod: method, Authprovider: provider}
}

// A directory finds principals by what they show.
type directory struct {
	authids      map[string]*Principal
	keys         map[PublicKey]*Principal
	certificates map[Fingerprint]*Principal
	apiKeys      map[Fingerprint]*Principal
	with         map[string][]*Principal // by method, for mocks; in the order given
}

// newDirectory fails if two principals could be taken for each other.
func newDirectory(principals []Principal) (*directory, error) {
	d := &directory{
		authids:      map[string]*Principal{},
		keys:         map[PublicKey]*Principal{},
		certificates: map[Fingerprint]*Principal{},
		apiKeys:      map[Fingerprint]*Principal{},
		with:         map[string][]*Principal{},
	}
	for i := range principals {
		if err := d.add(&principals[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *directory) add(p *Principal) error {
	if p.Authid == "" || d.authids[p.Authid] != nil {
		return fmt.Errorf("principal %q is there twice, or has no name", p.Authid)
	}
	d.authids[p.Authid] = p
	for _, method := range []string{Ticket, CRA, SCRAM, Cryptosign, TLS} {
		if p.has(method) {
			d.with[method] = append(d.with[method], p)
		}
	}
	for _, err := range []error{
		unique(d.keys, p.Keys, p, "a cryptosign key"),
		unique(d.certificates, p.Certificates, p, "a certificate"),
		unique(d.apiKeys, p.APIKeys, p, "an API key"),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func unique[K comparable](index map[K]*Principal, keys []K, p *Principal, what string) error {
	for _, k := range keys {
		if other := index[k]; other != nil {
			return fmt.Errorf("principals %q and %q have %s in common", other.Authid, p.Authid, what)
		}
		index[k] = p
	}
	return nil
}
