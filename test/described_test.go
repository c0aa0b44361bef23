package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// describedConfig lets everybody call and register, and describe only
// test.told. The verb is what is told of test.plain.
const describedConfig = `anonymous: true
roles:
  anonymous:
    permissions:
      - {uri: test., match: prefix, allow: [call, register]}
      - {uri: test.told, allow: [call, register, register_http]}
descriptions:
  - {uri: test.plain, %s}
  - {uri: test.told, safe: false, errors: {com.example: 402}}
  - {uri: test.forward., match: prefix, safe: true}
  - {uri: test.forward.write, safe: false}
`

// TestDescribedByConfiguration: what the configuration tells of procedures
// holds for callees that tell nothing, and goes before what others tell; a
// change of it holds at once.
func TestDescribedByConfiguration(t *testing.T) {
	t.Parallel()
	ctx, k := within(t, 2*patience), &keeper{dir: t.TempDir()}
	described := fmt.Sprintf(describedConfig, "safe: true, cache: 60, deprecated: 2023-07-01, schema: {kwargs: {properties: {n: {type: integer}}}}")
	k.gateway = startCommand(t, nil, []string{"serve", "-c", k.write(t, "wampgate.yaml", described)})
	callee := join(ctx, t, k.gateway)
	from := callee.got.len()
	callee.send(ctx, t, `[64,1,{"_http":{"safe":true}},"test.plain"]`)
	callee.wantAfter(ctx, t, from, codeError) // it may not describe
	callee.serveWith(ctx, t, 2, `{}`, "test.plain", `["x"]`)
	callee.serveWith(ctx, t, 3, `{"_http":{"safe":true,"media":"text/csv"}}`, "test.told", `["x"]`)
	callee.serveWith(ctx, t, 4, `{"match":"prefix"}`, "test.forward.", `["x"]`)

	const get, query, json = http.MethodGet, "QUERY", "application/json"
	wants := func(method, path, body string, status int, words ...string) {
		t.Helper()
		media := json
		if method == get {
			media = ""
		}
		a := k.send(ctx, t, method, path, strings.NewReader(body), "Content-Type", media)
		text := fmt.Sprintf("%v\n%s", a.header, a.body)
		for _, word := range words {
			if !strings.Contains(text, word) {
				t.Errorf("%s %s lacks %s:\n%s", method, path, word, text)
			}
		}
		if a.status != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, a.status, text, status)
		}
	}
	wants(get, "/call/test.plain?kw.n=7", "", 200, `"x"`, "max-age=60", "Deprecation:[@1688169600]")
	wants(query, "/call/test.plain", `{"n":7}`, 200, `"x"`)
	wants(query, "/call/test.plain", `{"n":"7"}`, 422, "/kwargs/n")
	wants(get, "/call/test.plain?kw.n=x", "", 400, "/kwargs/n")
	wants(get, "/call/test.told", "", 405, "POST")
	wants(get, "/procedures/test.told", "", 200, `"safe":false`, `"media":"text/csv"`, `"com.example":402`)
	wants(get, "/call/test.forward.read", "", 200, `"x"`)
	wants(get, "/call/test.forward.write", "", 405)
	wants(get, "/procedures", "", 200, `"uri":"test.forward.","match":"prefix"`, `"http":{"cache":60`)
	wants(get, "/openapi.json", "", 200, `"operationId": "test.plain.get"`, `"operationId": "test.forward..prefix.get"`)

	k.change(t, fmt.Sprintf(describedConfig, "saef: true"), unchanged, true)
	wants(get, "/call/test.plain?kw.n=7", "", 200)
	k.change(t, fmt.Sprintf(describedConfig, "media: text/plain"), wasRead, true)
	wants(get, "/call/test.plain", "", 405)
	wants(http.MethodPost, "/call/test.plain", `{"n":"7"}`, 200)
	wants(get, "/call/test.forward.read", "", 200)
}
