package authn

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A CertificateRule says whom certificates with some name stand for.
type CertificateRule struct {
	// Name is "uri:", "dns:" or "cn:" and what the certificate must hold as a
	// URI or DNS name of its subject alternative names, or as common name. A
	// "*" at the end stands for any rest that is not empty.
	Name string
	// Authid is who that is; empty stands for the name that matched, without
	// what tells its kind.
	Authid   string
	Authrole string
}

// Certificates knows whom client certificates stand for: by their fingerprint
// if that is known, else by the first rule that matches. It does not change.
type Certificates struct {
	known Lookup
	rules []CertificateRule
}

// NewCertificates returns what known and the rules say; known may be nil.
func NewCertificates(known Lookup, rules []CertificateRule) (*Certificates, error) {
	var errs []error
	for _, r := range rules {
		kind, name, _ := strings.Cut(r.Name, ":")
		switch {
		case kind != "uri" && kind != "dns" && kind != "cn" || name == "":
			errs = append(errs, fmt.Errorf("certificate name %q does not begin with uri:, dns: or cn: and go on", r.Name))
		case strings.Contains(strings.TrimSuffix(name, "*"), "*"):
			errs = append(errs, fmt.Errorf("certificate name %q holds a * that is not at the end", r.Name))
		case r.Authrole == "":
			errs = append(errs, fmt.Errorf("certificate name %q gives no authrole", r.Name))
		}
	}
	return &Certificates{known, rules}, errors.Join(errs...)
}

// A shown certificate is what a request tells of one.
type shown struct {
	print   Fingerprint // all zero if it is not told
	names   []string    // as rules write them; URIs first, the common name last
	expires time.Time   // zero if it is not told
}

// principal returns whom a certificate stands for.
func (c *Certificates) principal(s shown) (Principal, error) {
	if c.known != nil && s.print != (Fingerprint{}) {
		if id, ok := c.known(s.print); ok {
			id.Authmethod = MethodCertificate
			return Principal{Identity: id, Credential: hex.EncodeToString(s.print[:]), Expires: s.expires}, nil
		}
	}
	for _, r := range c.rules {
		for _, name := range s.names {
			if r.matches(name) {
				return r.principal(name, s.expires), nil
			}
		}
	}
	f := refused(MethodCertificate, UnknownName, "the client certificate is good, but stands for nobody here")
	if len(s.names) > 0 {
		f = f.of(s.names[0])
	}
	return Principal{}, f
}

func (r *CertificateRule) matches(name string) bool {
	if len(name) > maxName || strings.ContainsFunc(name, isControl) {
		return false
	}
	if prefix, ok := strings.CutSuffix(r.Name, "*"); ok {
		return len(name) > len(prefix) && strings.HasPrefix(name, prefix)
	}
	return name == r.Name
}

func (r *CertificateRule) principal(name string, expires time.Time) Principal {
	authid := r.Authid
	if authid == "" {
		_, authid, _ = strings.Cut(name, ":")
	}
	return Principal{
		Identity:   wamp.Identity{Authid: authid, Authrole: r.Authrole, Authmethod: MethodCertificate},
		Credential: name,
		Expires:    expires,
	}
}

// namesIn returns the names in a certificate as rules write them.
func namesIn(c *x509.Certificate) []string {
	var names []string
	for _, u := range c.URIs {
		names = append(names, "uri:"+u.String())
	}
	for _, d := range c.DNSNames {
		names = append(names, "dns:"+d)
	}
	if c.Subject.CommonName != "" {
		names = append(names, "cn:"+c.Subject.CommonName)
	}
	return names
}

// forwardedCert is the field in which proxies pass a client's certificate on.
const forwardedCert = "X-Forwarded-Client-Cert"

// certificate returns the principal of a request by its client certificate;
// given is false if it has none.
func (a *Authenticator) certificate(r *http.Request) (p Principal, given bool, err error) {
	c := a.cfg.Certificates
	switch forwarded := r.Header[forwardedCert]; {
	case c == nil:
		return Principal{}, false, nil
	case forwarded != nil && !a.cfg.Proxies.Trust(peerIP(r)):
		return Principal{}, true, refused(MethodCertificate, UntrustedProxy,
			"this client is no proxy that may send "+forwardedCert)
	case forwarded != nil:
		s, err := parseForwardedCert(forwarded[len(forwarded)-1])
		if err != nil {
			return Principal{}, true, err
		}
		p, err = c.principal(s)
		return p, true, err
	case r.TLS == nil || len(r.TLS.PeerCertificates) == 0:
		return Principal{}, false, nil
	case len(r.TLS.VerifiedChains) == 0:
		return Principal{}, true, refused(MethodCertificate, NotVerified, "the client certificate is of no authority that is trusted here")
	}
	leaf := r.TLS.PeerCertificates[0]
	if time.Now().After(leaf.NotAfter) { // the connection may be older
		return Principal{}, true, refused(MethodCertificate, Expired, "the client certificate expired")
	}
	p, err = c.principal(shown{sha256.Sum256(leaf.Raw), namesIn(leaf), leaf.NotAfter})
	return p, true, err
}

// parseForwardedCert returns what X-Forwarded-Client-Cert tells, in the form
// that Envoy has defined: elements with commas between, of pairs with
// semicolons between. The last element is the nearest proxy's own. The error is
// a [*Refusal].
func parseForwardedCert(value string) (shown, error) {
	var s shown
	if len(value) > maxToken {
		return shown{}, badForwarded("is too long")
	}
	elements, err := splitQuoted(value, ',')
	if err != nil {
		return shown{}, err
	}
	pairs, err := splitQuoted(elements[len(elements)-1], ';')
	if err != nil {
		return shown{}, err
	}
	var rest, common []string
	for _, pair := range pairs {
		key, text, ok := strings.Cut(pair, "=")
		if !ok {
			return shown{}, badForwarded("holds something that is not key=value")
		}
		text = unquote(text)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "hash":
			hash, err := hex.DecodeString(text)
			if err != nil || len(hash) != len(s.print) {
				return shown{}, badForwarded("holds a hash that is not 64 hexadecimal digits")
			}
			s.print = Fingerprint(hash)
		case "uri":
			s.names = append(s.names, "uri:"+text)
		case "dns":
			rest = append(rest, "dns:"+text)
		case "subject":
			if cn := commonName(text); cn != "" {
				common = append(common, "cn:"+cn)
			}
		}
	}
	s.names = append(append(s.names, rest...), common...)
	return s, nil
}

func badForwarded(fault string) *Refusal {
	return badRequest(MethodCertificate, Malformed, forwardedCert+" "+fault)
}

// splitQuoted splits s at each separator outside of double quotes.
func splitQuoted(s string, separator byte) ([]string, error) {
	var parts []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	if quoted {
		return nil, badForwarded("holds a quote that is not closed")
	}
	return append(parts, s[start:]), nil
}

// unquote removes the quotes around a value.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s[1 : len(s)-1])
}

// commonName returns the CN of a distinguished name, as RFC 2253 writes it. A
// name with escapes, quotes or several values has none: what an attacker gets
// into another part of it must not be taken for one.
func commonName(subject string) string {
	if strings.ContainsAny(subject, `\"+/;#<>`) {
		return ""
	}
	found := ""
	for part := range strings.SplitSeq(subject, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if strings.EqualFold(key, "CN") {
			if found != "" {
				return "" // which one is meant cannot be told
			}
			found = value
		}
	}
	return found
}
