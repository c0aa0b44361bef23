package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// TestToken: the key is printed once, with the hash that belongs to it.
func TestToken(t *testing.T) {
	t.Parallel()
	first, second := runWith(soon(t), nil, "token"), runWith(soon(t), nil, "token")
	key, _, _ := strings.Cut(first.stdout, "\n")
	sum := sha256.Sum256([]byte(key))
	if first.code != exitOK || !strings.HasPrefix(key, "wgk_") || strings.Count(first.stdout, key) != 1 ||
		!strings.Contains(first.stdout, `api-keys: ["sha256:`+hex.EncodeToString(sum[:])+`"]`) {
		t.Errorf("wampgate token: code %d\n%s", first.code, first.stdout)
	}
	if first.stdout == second.stdout {
		t.Error("the same key twice")
	}
}

// TestAccessOverHTTP checks what serve refuses of the settings for HTTP.
func TestAccessOverHTTP(t *testing.T) {
	t.Parallel()
	const roles = "\nroles: {user: {permissions: []}}\n"
	for name, tt := range map[string]struct{ file, want string }{
		"no audience":          {"auth: {jwt: [{issuer: https://id.example.com}]}" + roles, "an issuer needs its name and the audience"},
		"symmetric algorithm":  {"auth: {jwt: [{issuer: https://id.example.com, audience: a, algorithms: [HS256]}]}" + roles, `algorithm "HS256" is none of`},
		"keys over http":       {"auth: {jwt: [{issuer: x, audience: a, keys: http://id.example.com/keys}]}" + roles, "over https only"},
		"unknown key":          {"auth: {jwt: [{isuer: x}]}" + roles, `unknown key "isuer"; did you mean "issuer"?`},
		"no list":              {"auth: {jwt: {issuer: x}}" + roles, "must be a list of issuers"},
		"role that is not":     {"auth: {jwt: [{issuer: https://x, audience: a, default-role: usr}]}" + roles, `there is no role "usr"; did you mean "user"?`},
		"no roles":             {"auth: {jwt: [{issuer: https://x, audience: a}]}\n", "name them under roles"},
		"certificate rule":     {"auth: {certificates: [{name: example.com, role: user}]}" + roles, "does not begin with uri:, dns: or cn:"},
		"certificate's role":   {"auth: {certificates: [{name: 'dns:x', role: usr}]}" + roles, `there is no role "usr"`},
		"no procedure":         {"auth: {http: {headers: [X-Session]}}" + roles, "has no procedure"},
		"key without cert":     {"anonymous: true\ntls-key: x\n", "tls-key: needs tls-cert"},
		"cert without key":     {"anonymous: true\ntls-cert: x\n", "tls-cert: needs tls-key"},
		"authority alone":      {"anonymous: true\ntls-client-ca: x\n", "tls-client-ca: needs tls-cert"},
		"two sources":          {"anonymous: true\ntls-cert: x\ntls-key: x\nacme-domains: [a.example]\n", "acme-domains: certificates come from tls-cert or by ACME"},
		"no storage":           {"anonymous: true\nacme-domains: [a.example]\n", "acme-domains: needs acme-storage"},
		"no certificate there": {"anonymous: true\nlisten: 127.0.0.1:0\nadmin-listen: ''\ntls-cert: /no/such\ntls-key: /no/such\n", "no such file"},
		"no origin":            {"anonymous: true\ncors-origins: ['*']\n", `"*" is not an origin`},
		"no network":           {"anonymous: true\ntrusted-proxies: [proxy]\n", `"proxy" is neither a network`},
		"negative rate":        {"anonymous: true\nrate: -1\n", "neither rate nor burst can be less than 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runWith(soon(t), nil, "serve", "-c", writeFile(t, "wampgate.yaml", tt.file))
			if got.code != exitUsage && got.code != exitFailed || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("code %d, stderr:\n%swant %s", got.code, got.stderr, tt.want)
			}
		})
	}
}

// TestAnswers reads what a procedure says of who sent a request.
func TestAnswers(t *testing.T) {
	t.Parallel()
	ada := map[string]any{"authid": "ada", "authrole": "user"}
	with := func(key string, value any) map[string]any {
		d := map[string]any{key: value}
		for k, v := range ada {
			d[k] = v
		}
		return d
	}
	identity := wamp.Identity{Authid: "ada", Authrole: "user"}
	for name, tt := range map[string]struct {
		result []any
		want   authn.Answer
		ok     bool
	}{
		"let in":       {[]any{ada}, authn.Answer{Identity: identity}, true},
		"for a while":  {[]any{with("ttl", int64(30))}, authn.Answer{Identity: identity, TTL: 30 * time.Second}, true},
		"for ever":     {[]any{with("ttl", int64(1)<<60)}, authn.Answer{Identity: identity, TTL: time.Hour}, true},
		"negative":     {[]any{with("ttl", int64(-1))}, authn.Answer{Identity: identity}, true},
		"denied":       {[]any{with("denied", true)}, authn.Answer{Denied: true}, true},
		"told why":     {[]any{map[string]any{"denied": true, "detail": "no"}}, authn.Answer{Denied: true, Detail: "no"}, true},
		"nothing":      {nil, authn.Answer{}, false},
		"no role":      {[]any{map[string]any{"authid": "ada"}}, authn.Answer{}, false},
		"a role alone": {[]any{"user"}, authn.Answer{}, false},
		"two":          {[]any{ada, ada}, authn.Answer{}, false},
		"true":         {[]any{true}, authn.Answer{}, false},
	} {
		got, err := readAnswer(tt.result)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%s: %s, %v; want %+v", name, fmt.Sprintf("%+v", got), err, tt.want)
		}
	}
}
