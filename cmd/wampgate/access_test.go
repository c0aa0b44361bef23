package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/auth"
)

const (
	plantedTicket = "planted-ticket-7f3a"
	plantedSecret = "planted-secret-91bc"
	publicKey     = "1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d"
)

// accessFile is a configuration file with every key of the sections.
const accessFile = `anonymous: true
auth:
  anonymous-role: guest
  methods: [ticket, wampcra, wamp-scram, scram, cryptosign, tls]
  dynamic: {procedure: com.example.authenticate, methods: [ticket]}
roles:
  guest:
    permissions:
      - {uri: com.example.public, allow: call}
  admin:
    permissions:
      - {uri: "", match: prefix, allow: [call, register, register_http, meta, admin]}
  user:
    authorizer: com.example.authorize
    authorizer-ttl: 1m
    permissions:
      - uri: com.example.
        match: prefix
        allow: [call, register]
        disclose: always
        trust-levels: [best_effort, acknowledged]
        max-timeout: 30s
        min-timeout: 1s
        rate: 2.5
        burst: 10
        concurrency: 3
      - {uri: com.example..delete, match: wildcard, allow: []}
principals:
  ada:
    role: admin
    realms: [realm1]
    ticket: {env: ADA_TICKET}
    wampcra: {file: ada.secret}
    cryptosign: [` + publicKey + `]
    certificates: [` + publicKey + `]
    api-keys: [sha256:` + publicKey + `]
  bob:
    role: user
    ticket-hash: sha256:` + publicKey + `
    wampcra-key: {key: {env: WAMPGATE_BOB}, salt: salt, iterations: 1000, keylen: 32}
`

// accessEnv is where the secrets of accessFile are.
func accessEnv(t *testing.T) (env []string, path string) {
	t.Helper()
	key, err := auth.DeriveCRAKey(plantedSecret, "salt", 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	path = writeFile(t, "wampgate.yaml", accessFile)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "ada.secret"), []byte(plantedSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"ADA_TICKET=" + plantedTicket, "WAMPGATE_BOB=" + key}, path
}

// TestAccess reads a file with every key, and shows what is made of it.
func TestAccess(t *testing.T) {
	t.Parallel()
	env, path := accessEnv(t)
	got := runWith(soon(t), env, "check-config", "-c", path)
	if got.code != exitOK {
		t.Fatalf("check-config: %+v", got)
	}
	for _, want := range []string{
		"# role guest: 1 permissions", "# role user: 2 permissions, else com.example.authorize decides",
		"# principal ada: role admin; ticket, wampcra, cryptosign, tls, api-key # " + path + ":29", "# principal bob: role user; ticket, wampcra ",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("check-config lacks %q:\n%s", want, got.stdout)
		}
	}
	s := newSources(env)
	if err := s.load(nil, path); err == nil {
		t.Error("anonymous is known without flags")
	}
	rule := s.access.roles[2].Rules[0]
	if fmt.Sprint(rule) != "{prefix com.example. [call register] 1 [best_effort acknowledged] 30s 1s 2.5 10 3}" {
		t.Errorf("rule %v", rule)
	}
	for _, env := range append(env, publicKey) {
		_, value, _ := strings.Cut(env, "=")
		if out := got.stdout + got.stderr; value != "" && strings.Contains(out, value) || strings.Contains(out, plantedSecret) {
			t.Errorf("check-config prints a secret:\n%s", out)
		}
	}
}

// TestAccessFaults has one fault after the other, with its line.
func TestAccessFaults(t *testing.T) {
	t.Parallel()
	const role = "roles: {user: {permissions: []}}\n"
	for name, tt := range map[string]struct {
		file string
		env  []string
		want string // FILE stands for the path
	}{
		"unknown section":     {"anonymous: true\nrols: {}\n", nil, "FILE:2: rols: must be one value or a list of values"},
		"unknown key":         {"principals:\n  ada:\n    rol: user\n", nil, `FILE:3: principal "ada": unknown key "rol"; did you mean "role"?`},
		"unknown permission":  {"roles:\n  user:\n    permissions:\n      - {uri: a, alow: call}\n", nil, `FILE:4: role "user": permission: unknown key "alow"; did you mean "allow"?`},
		"unknown action":      {"roles:\n  user:\n    permissions:\n      - {uri: a, allow: publish}\n", nil, `allow: "publish" is none of call, register, register_http, meta, admin`},
		"no uri":              {"roles: {user: {permissions: [{allow: call}]}}\n", nil, "a permission has no uri"},
		"bad uri":             {"roles: {user: {permissions: [{uri: a b}]}}\n", nil, `"a b" is not a URI`},
		"rule twice":          {"roles: {user: {permissions: [{uri: a}, {uri: a}]}}\n", nil, `FILE:1: role "user" has two rules for a`},
		"roles are a list":    {"roles: [user]\n", nil, "FILE:1: roles: must be a map"},
		"permissions":         {"roles: {user: {permissions: call}}\n", nil, "permissions: must be a list"},
		"bad match":           {"roles: {user: {permissions: [{uri: a, match: regex}]}}\n", nil, `match: "regex" is none of exact, prefix, wildcard`},
		"bad timeout":         {"roles: {user: {permissions: [{uri: a, max-timeout: soon}]}}\n", nil, "must be a time, such as 30s"},
		"bad rate":            {"roles: {user: {permissions: [{uri: a, rate: -1}]}}\n", nil, "must be a number of calls a second"},
		"bad burst":           {"roles: {user: {permissions: [{uri: a, burst: many}]}}\n", nil, "must be a whole number"},
		"bad trust level":     {"roles: {user: {permissions: [{uri: a, trust-levels: [some]}]}}\n", nil, `"some" is none of best_effort`},
		"no role":             {role + "principals:\n  ada: {ticket: {env: A}}\n", []string{"A=x"}, `FILE:3: principal "ada" has no role`},
		"other role":          {role + "principals:\n  ada: {role: usr}\n", nil, `FILE:3: there is no role "usr"; did you mean "user"?`},
		"other realm":         {role + "principals:\n  ada: {role: user, realms: [x]}\n", nil, `FILE:3: there is no realm "x"`},
		"no roles":            {"principals:\n  ada: {role: user}\n", nil, "FILE:2: principals have roles; name them under roles"},
		"dynamic, no roles":   {"auth:\n  dynamic: {procedure: a.b}\n", nil, "there are no roles to give"},
		"anonymous, no role":  {"anonymous: true\n" + role, nil, `FILE:2: anonymous is on, but there is no role "anonymous"`},
		"dynamic":             {"auth: {dynamic: {methods: [ticket]}}\n", nil, "dynamic: has no procedure"},
		"method":              {"auth: {methods: [persona]}\n", nil, `"persona" is none of ticket`},
		"secret in the file":  {role + "principals:\n  ada: {role: user, ticket: planted}\n", nil, "FILE:3: principal \"ada\": ticket: a secret does not stand here; write {file: PATH} or {env: VARIABLE}"},
		"secret from nowhere": {role + "principals:\n  ada: {role: user, ticket: {}}\n", nil, "a secret does not stand here"},
		"secret from both":    {role + "principals:\n  ada: {role: user, ticket: {file: a, env: b}}\n", nil, "a secret does not stand here"},
		"no variable":         {role + "principals:\n  ada: {role: user, ticket: {env: NOT_SET}}\n", nil, "the variable NOT_SET is not set"},
		"no file":             {role + "principals:\n  ada: {role: user, ticket: {file: none}}\n", nil, "none: no such file"},
		"bad hash":            {role + "principals:\n  ada: {role: user, ticket-hash: planted}\n", nil, "not a password hash"},
		"bad hash outside":    {role + "principals:\n  ada: {role: user, ticket-hash: {env: A}}\n", []string{"A=planted"}, "not a password hash"},
		"bad verifier":        {role + "principals:\n  ada: {role: user, scram: planted}\n", nil, "not a SCRAM verifier"},
		"bad CRA key":         {role + "principals:\n  ada: {role: user, wampcra-key: {key: {env: A}, salt: s}}\n", []string{"A=planted"}, "the derived key is not the base64 of 32 bytes"},
		"bad public key":      {role + "principals:\n  ada: {role: user, cryptosign: planted}\n", nil, "a cryptosign key is 64 hexadecimal digits"},
		"bad fingerprint":     {role + "principals:\n  ada: {role: user, certificates: [planted]}\n", nil, "a SHA-256 is 64 hexadecimal digits"},
		"key of two":          {role + "principals:\n  ada: {role: user, cryptosign: " + publicKey + "}\n  bob: {role: user, cryptosign: " + publicKey + "}\n", nil, `principals "ada" and "bob" have a cryptosign key in common`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, "wampgate.yaml", tt.file)
			got := runWith(soon(t), tt.env, "serve", "-c", path)
			if want := strings.ReplaceAll(tt.want, "FILE", path); got.code != exitUsage || !strings.Contains(got.stderr, want) {
				t.Errorf("code %d, stderr:\n%swant code %d and %q", got.code, got.stderr, exitUsage, want)
			}
			if strings.Contains(got.stderr, "planted") {
				t.Errorf("a secret is printed:\n%s", got.stderr)
			}
		})
	}
}

// TestExampleInREADME reads the example as a configuration file.
func TestExampleInREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("README.md has no example")
	}
	path := writeFile(t, "wampgate.yaml", example)
	verifier, err := auth.NewSCRAMVerifier(plantedSecret, false, make([]byte, 16), 4096, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"worker.secret": plantedSecret, "ada.hash": auth.HashTicket(plantedTicket).String(), "ada.scram": verifier.String(),
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := runWith(soon(t), []string{"SHOP_TICKET=" + plantedTicket}, "check-config", "-c", path)
	if got.code != exitOK || !strings.Contains(got.stdout, "# principal ada: role operator; ticket, wamp-scram, tls") {
		t.Errorf("check-config of the example: %+v", got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	env, path := accessEnv(t)
	for _, tt := range []struct {
		question string
		code     int
		want     string
	}{
		{"ada wamp.session.kill admin", exitOK, `yes: the rule of role "admin" for prefix: allows call, register, register_http, meta, admin`},
		{"bob com.example.add call", exitOK, `yes: the rule of role "user" for prefix:com.example. allows call, register; at most 2.5 calls a second, 10 at once, at most 3 in flight, with a timeout of at least 1s, with a timeout of at most 30s, with trust level best_effort or acknowledged, callees learn who calls`},
		{"bob com.example.x.delete call", exitRefused, `no: the rule of role "user" for wildcard:com.example..delete allows nothing`},
		{"bob org.example call", exitRefused, `asked: no rule of role "user" is for org.example, so com.example.authorize decides`},
		{"anonymous com.example.public call", exitOK, `yes: the rule of role "guest" for com.example.public allows call`},
		{"anonymous com.example.public register", exitRefused, `no: the rule of role "guest" for com.example.public allows call`},
		{"zoe com.example.add call", exitRefused, `no: there is no principal "zoe"`},
		{"ada com.example.add", exitUsage, "--explain takes AUTHID URI ACTION"},
		{"ada com.example.add publish", exitUsage, `action: "publish" is none of`},
		{"ada com..add call", exitUsage, `"com..add" is not a URI`},
	} {
		args := append([]string{"check-config", "-c", path, "--explain"}, strings.Fields(tt.question)...)
		got := runWith(soon(t), env, args...)
		if got.code != tt.code || !strings.Contains(got.stdout+got.stderr, tt.want) {
			t.Errorf("--explain %s: %+v, want code %d and %q", tt.question, got, tt.code, tt.want)
		}
	}
	got := runWith(soon(t), nil, "check-config", "--anonymous", "--explain", "anonymous", "com.x", "call")
	if got.code != exitOK || got.stdout != "yes: there are no roles, so everybody may do everything\n" {
		t.Errorf("--explain without roles: %+v", got)
	}
}

// TestHashPassword puts what is printed into a file, and tries the password.
func TestHashPassword(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--kdf", "pbkdf2"}, {"--for", "scram"}, {"--for", "scram", "--kdf", "pbkdf2"}, {"--for", "wampcra"}} {
		var stdout, stderr bytes.Buffer
		code := run(soon(t), process{Args: append([]string{"hash-password"}, args...), Stdin: strings.NewReader(plantedTicket + "\n"), Stdout: &stdout, Stderr: &stderr})
		if code != exitOK || strings.Contains(stdout.String()+stderr.String(), plantedTicket) {
			t.Fatalf("hash-password %v: code %d, %s%s", args, code, stdout.String(), stderr.String())
		}
		lines := strings.TrimSpace(stdout.String())
		var env []string
		if _, snippet, ok := strings.Cut(lines, "\n# "); ok {
			snippet, key, _ := strings.Cut(snippet, "\n")
			lines, env = strings.Replace(snippet, "{file: PATH}", "{env: KEY}", 1), []string{"KEY=" + key}
		}
		path := writeFile(t, "wampgate.yaml", "roles: {user: {permissions: []}}\nprincipals:\n  ada:\n    role: user\n    "+lines+"\n")
		s := newSources(env)
		if err := s.load(nil, path); err != nil {
			t.Errorf("hash-password %v printed what cannot be read: %v", args, err)
			continue
		}
		if h := s.access.principals[0].Ticket; h != nil && !h.Matches(plantedTicket) {
			t.Errorf("hash-password %v printed %s, which is another's", args, h)
		}
	}
	if got := runWith(soon(t), nil, "hash-password"); got.code != exitUsage || !strings.Contains(got.stderr, "no password") {
		t.Errorf("hash-password of nothing: %+v", got)
	}
}

func TestKeygen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ada.key")
	got := runWith(soon(t), nil, "keygen", path)
	line, ok := strings.CutPrefix(strings.TrimSpace(got.stdout), "cryptosign: ")
	if _, err := auth.ParsePublicKey(line); got.code != exitOK || !ok || err != nil {
		t.Fatalf("keygen: %+v", got)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if seed, err := hex.DecodeString(strings.TrimSpace(string(data))); err != nil || len(seed) != 32 {
		t.Errorf("the private key is %q", data)
	}
	if got := runWith(soon(t), nil, "keygen", path); got.code != exitFailed {
		t.Errorf("keygen over a file: %+v", got)
	}
}

// FuzzAccess reads sections of any form: they are refused or read, and no
// secret is repeated.
func FuzzAccess(f *testing.F) {
	f.Add(accessFile)
	f.Add("principals: {ada: {role: user, ticket: planted-ticket-7f3a}}")
	f.Add("roles:\n - x\nprincipals: 7\nauth: [a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, nodes, err := parseFile("wampgate.yaml", []byte(text))
		if err != nil {
			return
		}
		const secret = "4b825dc642cb6eb9a060e54bf8d69288"
		env := map[string]string{"ADA_TICKET": secret}
		a, _, err := readAccess("/nowhere/wampgate.yaml", nodes, env)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds a secret: %v", err)
			}
			return
		}
		a.fault(true, []string{"realm1"})
		a.describe("wampgate.yaml")
	})
}
