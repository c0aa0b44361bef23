package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxSecret bounds the bytes of a file with a secret.
const maxSecret = 64 << 10

// An accessReader reads the sections of a configuration file that say who may
// come in. It goes on after a fault, so that all are found. No error repeats
// what may be a secret.
type accessReader struct {
	path    string            // of the configuration file; files are named from its folder
	environ map[string]string // where secrets may be
	used    map[string]bool   // variables that hold one
	access  access
	errs    []error
}

// readAccess reads sections; env are the variables that were read.
func readAccess(path string, nodes map[string]ast.Node, environ map[string]string) (a *access, env map[string]bool, err error) {
	r := &accessReader{path: path, environ: environ, used: map[string]bool{}}
	r.access.anonymousRole = auth.Anonymous
	r.access.lines = map[string]int{}
	for name, node := range nodes {
		r.access.lines[name] = lineOf(node)
	}
	r.auth(nodes["auth"])
	for _, e := range r.entries(nodes["roles"], "roles") {
		r.role(e)
	}
	for _, e := range r.entries(nodes["principals"], "principals") {
		r.principal(e)
	}
	return &r.access, r.used, errors.Join(r.errs...)
}

func lineOf(node ast.Node) int { return node.GetToken().Position.Line }

// fault notes what is wrong at node.
func (r *accessReader) fault(node ast.Node, format string, args ...any) {
	r.errs = append(r.errs, at(r.path, node, fmt.Errorf(format, args...).Error()))
}

// An entry is a key of a map and its value.
type entry struct {
	key   ast.Node
	name  string
	value ast.Node
}

// entries returns those of a map; what names it in errors.
func (r *accessReader) entries(node ast.Node, what string) []entry {
	if node == nil {
		return nil
	}
	m, ok := node.(ast.MapNode)
	if !ok {
		r.fault(node, "%s: must be a map", what)
		return nil
	}
	var all []entry
	for i := m.MapRange(); i.Next(); {
		name, err := scalarText(i.Key())
		if err != nil {
			r.fault(i.Key(), "%s: a key %w", what, err)
			continue
		}
		all = append(all, entry{i.Key(), name, i.Value()})
	}
	return all
}

// A field reads the value of a key; what it returns is wrong with it.
type field func(node ast.Node) error

// fields reads a map with these keys alone.
func (r *accessReader) fields(node ast.Node, what string, known map[string]field) {
	for _, e := range r.entries(node, what) {
		read, ok := known[e.name]
		if !ok {
			text := fmt.Sprintf("%s: unknown key %q", what, shortName(e.name))
			if best, near := nearest(e.name, slices.Sorted(maps.Keys(known))); near {
				text += fmt.Sprintf("; did you mean %q?", best)
			}
			r.fault(e.key, "%s", text)
			continue
		}
		if err := read(e.value); err != nil {
			r.fault(e.key, "%s: %s: %w", what, e.name, err)
		}
	}
}

// shortName keeps an error from repeating a long text that was put in the wrong
// place.
func shortName(s string) string {
	const limit = 32
	return s[:min(len(s), limit)]
}

// readText reads one value.
func readText(into *string) field {
	return func(node ast.Node) (err error) {
		*into, err = scalarText(node)
		return err
	}
}

// readNumber reads a whole number that is not negative.
func readNumber(into *int) field {
	return func(node ast.Node) error {
		s, err := scalarText(node)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return errors.New("must be a whole number")
		}
		*into = int(n)
		return nil
	}
}

// readList reads a list of values, or one.
func readList(each func(s string) error) field {
	return func(node ast.Node) error {
		nodes := []ast.Node{node}
		if l, ok := node.(*ast.SequenceNode); ok {
			nodes = l.Values
		}
		for _, n := range nodes {
			s, err := scalarText(n)
			if err != nil {
				return err
			}
			if err := each(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// readOne reads one value with a parser.
func readOne(parse func(s string) error) field {
	return func(node ast.Node) error {
		s, err := scalarText(node)
		if err != nil {
			return err
		}
		return parse(s)
	}
}

// readDuration reads a time such as 30s.
func readDuration(into *time.Duration) field {
	return readOne(func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return errors.New("must be a time, such as 30s")
		}
		*into = d
		return nil
	})
}

// readURI reads a URI.
func readURI(into *wamp.URI) field {
	return readOne(func(s string) error {
		*into = wamp.URI(s)
		if !into.Valid() {
			return fmt.Errorf("%q is not a WAMP URI", shortName(s))
		}
		return nil
	})
}

// readChoice reads one of some words; the value is its place.
func readChoice[T ~uint8](into *T, words ...string) field {
	return readOne(func(s string) error {
		i := slices.Index(words, s)
		if i < 0 {
			return fmt.Errorf("%q is none of %s", shortName(s), strings.Join(words, ", "))
		}
		*into = T(i)
		return nil
	})
}

// methodNames are those that can be offered; anonymous has a setting of its
// own.
func methodNames() []string {
	return []string{auth.Ticket, auth.CRA, auth.SCRAM, auth.AutobahnSCRAM, auth.Cryptosign, auth.TLS}
}

func readMethods(into *[]string) field {
	*into = []string{}
	return readList(func(s string) error {
		if !slices.Contains(methodNames(), s) {
			return fmt.Errorf("%q is none of %s", shortName(s), strings.Join(methodNames(), ", "))
		}
		*into = append(*into, s)
		return nil
	})
}

func (r *accessReader) auth(node ast.Node) {
	a := &r.access
	r.fields(node, "auth", map[string]field{
		"anonymous-role": readText(&a.anonymousRole),
		"methods":        func(node ast.Node) error { return readMethods(&a.methods)(node) },
		"dynamic":        r.dynamic,
		"jwt":            r.jwt,
		"certificates":   r.certificateRules,
		"http":           r.httpDynamic,
	})
}

func (r *accessReader) dynamic(node ast.Node) error {
	d := &auth.Dynamic{}
	r.access.dynamic = d
	r.fields(node, "auth: dynamic", map[string]field{
		"procedure": readURI(&d.Procedure),
		"methods":   func(node ast.Node) error { return readMethods(&d.Methods)(node) },
	})
	if d.Procedure == "" {
		return errors.New("has no procedure")
	}
	if d.Methods == nil {
		d.Methods = []string{auth.Ticket}
	}
	return nil
}

func (r *accessReader) role(e entry) {
	role := auth.Role{Name: e.name}
	what := fmt.Sprintf("role %q", e.name)
	r.access.lines["roles."+e.name] = lineOf(e.key)
	before := len(r.errs)
	r.fields(e.value, what, map[string]field{
		"permissions": func(node ast.Node) error {
			l, ok := node.(*ast.SequenceNode)
			if !ok {
				return errors.New("must be a list")
			}
			for _, n := range l.Values {
				role.Rules = append(role.Rules, r.rule(n, what))
			}
			return nil
		},
		"authorizer":     readURI(&role.Authorizer),
		"authorizer-ttl": readDuration(&role.AuthorizerTTL),
	})
	r.access.roles = append(r.access.roles, role)
	if len(r.errs) > before {
		return
	}
	if _, err := auth.NewPolicy([]auth.Role{role}); err != nil {
		r.fault(e.key, "%w", err)
	}
}

// rule reads one permission.
func (r *accessReader) rule(node ast.Node, what string) auth.Rule {
	var rule auth.Rule
	var pattern string
	named := false
	r.fields(node, what+": permission", map[string]field{
		"uri":   func(node ast.Node) error { named = true; return readText(&pattern)(node) },
		"match": readChoice(&rule.Match, matchNames()...),
		"allow": readList(func(s string) error {
			a, err := auth.ParseAction(s)
			rule.Allow = append(rule.Allow, a)
			return err
		}),
		"disclose":     readChoice(&rule.Disclose, discloseNames()...),
		"trust-levels": readList(func(s string) error { return trustLevel(&rule, s) }),
		"max-timeout":  readDuration(&rule.MaxTimeout),
		"min-timeout":  readDuration(&rule.MinTimeout),
		"rate": readOne(func(s string) (err error) {
			rule.Rate, err = strconv.ParseFloat(s, 64)
			if err != nil || rule.Rate <= 0 {
				return errors.New("must be a number of calls a second")
			}
			return nil
		}),
		"burst":       readNumber(&rule.Burst),
		"concurrency": readNumber(&rule.Concurrency),
	})
	rule.URI = wamp.URI(pattern)
	if !named {
		r.fault(node, "%s: a permission has no uri; a rule for all has 'uri: \"\"' and 'match: prefix'", what)
	}
	return rule
}

// What a permission may name, in the order of the constants.
func matchNames() []string    { return []string{"exact", "prefix", "wildcard"} }
func discloseNames() []string { return []string{"asked", "always", "never"} }
func trustLevels() []string {
	return []string{"best_effort", "acknowledged", "persistent", "transactional"}
}

func trustLevel(rule *auth.Rule, s string) error {
	if !slices.Contains(trustLevels(), s) {
		return fmt.Errorf("%q is none of %s", shortName(s), strings.Join(trustLevels(), ", "))
	}
	rule.TrustLevels = append(rule.TrustLevels, s)
	return nil
}

func (r *accessReader) principal(e entry) {
	p := auth.Principal{Authid: e.name}
	what := fmt.Sprintf("principal %q", e.name)
	r.access.lines["principals."+e.name] = lineOf(e.key)
	r.fields(e.value, what, map[string]field{
		"role":   readText(&p.Role),
		"realms": readList(func(s string) error { p.Realms = append(p.Realms, wamp.URI(s)); return nil }),

		"ticket": r.secret(func(s string) error { p.Ticket = auth.HashTicket(s); return nil }),
		"ticket-hash": r.hash(func(s string) (err error) {
			p.Ticket, err = auth.ParsePasswordHash(s)
			return err
		}),
		"wampcra":     r.secret(func(s string) error { p.CRA = auth.NewCRASecret(s); return nil }),
		"wampcra-key": func(node ast.Node) error { return r.craKey(&p, what, node) },
		"scram": r.hash(func(s string) (err error) {
			p.SCRAM, err = auth.ParseSCRAMVerifier(s)
			return err
		}),
		"cryptosign": readList(func(s string) error {
			key, err := auth.ParsePublicKey(s)
			p.Keys = append(p.Keys, key)
			return err
		}),
		"certificates": readList(fingerprints(&p.Certificates)),
		"signing-key":  func(node ast.Node) error { return r.signingKey(p.Authid, node) },
		"api-keys":     readList(fingerprints(&p.APIKeys)),
	})
	if p.Role == "" {
		r.fault(e.key, "%s has no role", what)
	}
	r.access.principals = append(r.access.principals, p)
}

func (r *accessReader) craKey(p *auth.Principal, what string, node ast.Node) error {
	var key, salt string
	var iterations, keylen int
	before := len(r.errs)
	r.fields(node, what+": wampcra-key", map[string]field{
		"key":        r.secret(func(s string) error { key = s; return nil }),
		"salt":       readText(&salt),
		"iterations": readNumber(&iterations),
		"keylen":     readNumber(&keylen),
	})
	if len(r.errs) > before {
		return nil // which have been told
	}
	var err error
	p.CRA, err = auth.NewCRAKey(key, salt, iterations, keylen)
	return err
}

// fingerprints reads SHA-256 sums, in hexadecimal with or without colons.
func fingerprints(into *[]auth.Fingerprint) func(string) error {
	return func(s string) error {
		s = strings.TrimPrefix(s, "sha256:")
		raw, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
		if err != nil || len(raw) != sha256.Size {
			return errors.New("a SHA-256 is 64 hexadecimal digits")
		}
		*into = append(*into, auth.Fingerprint(raw))
		return nil
	}
}

var errSecretInFile = errors.New("a secret does not stand here; write {file: PATH} or {env: VARIABLE}")

// secret reads a secret from where the node says that it is.
func (r *accessReader) secret(use func(s string) error) field {
	return func(node ast.Node) error {
		if _, ok := node.(ast.MapNode); !ok {
			return errSecretInFile
		}
		s, err := r.fromOutside(node)
		if err != nil {
			return err
		}
		return use(s)
	}
}

// hash reads what may stand in the file, too.
func (r *accessReader) hash(use func(s string) error) field {
	return func(node ast.Node) error {
		if _, ok := node.(ast.MapNode); ok {
			return r.secret(use)(node)
		}
		return readOne(use)(node)
	}
}

// fromOutside reads a file or a variable.
func (r *accessReader) fromOutside(node ast.Node) (string, error) {
	var file, variable string
	before := len(r.errs)
	r.fields(node, "secret", map[string]field{"file": readText(&file), "env": readText(&variable)})
	switch {
	case len(r.errs) > before, (file == "") == (variable == ""):
		return "", errSecretInFile
	case file != "":
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(r.path), file)
		}
		r.access.files = append(r.access.files, file)
		return readSecret(file)
	}
	r.used[variable] = true
	if s := r.environ[variable]; s != "" {
		return s, nil
	}
	return "", fmt.Errorf("the variable %s is not set", variable)
}

// readSecret reads a file without the line end that editors leave there.
func readSecret(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	s := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		return "", err
	case len(data) > maxSecret:
		return "", fmt.Errorf("%s has more than %d bytes", path, maxSecret)
	case s == "":
		return "", fmt.Errorf("%s is empty", path)
	}
	return s, nil
}
