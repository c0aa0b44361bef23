package gateway_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// TestDeclaredErrors shows which status a callee's own error gets.
func TestDeclaredErrors(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{},
		told:       map[wamp.URI]string{"test.p": `{"errors":{"com.example":422,"com.example.error.no_funds":402,"wamp.error.runtime_error":418}}`},
	}
	tests := []struct {
		uri    wamp.URI
		change func(*gateway.Config)
		want   int
	}{
		{"com.example.error.no_funds", nil, 402},
		{"com.example.error.no_funds.today", nil, 402},
		{"com.example.error.no_funds_today", nil, 422},
		{"com.example.not_found", nil, 422}, // a declared prefix beats the hint
		{"com.examples", nil, 500},
		{"org.example.not_found", nil, 404},
		{"org.example.odd", nil, 500},
		{"wamp.error.runtime_error", nil, 500}, // not a callee's to declare
		{"org.example.odd", func(c *gateway.Config) { c.ErrorStatus = 422 }, 422},
		{"org.example.not_found", func(c *gateway.Config) { c.ErrorStatus = 422 }, 404},
		{"org.example.not_found", func(c *gateway.Config) { c.ErrorsLiteral = true }, 500},
		{"com.example.error.no_funds", func(c *gateway.Config) { c.ErrorsLiteral = true }, 402},
	}
	for _, test := range tests {
		r.procedures["test.p"] = raises(test.uri, `["x"]`, "")
		w := post(newGateway(t, r, test.change), "/call/test.p", "")
		if w.Code != test.want || w.Header().Get("Wamp-Error") != string(test.uri) {
			t.Errorf("%s: %d %s, want %d", test.uri, w.Code, w.Header().Get("Wamp-Error"), test.want)
		}
	}
}

// TestDescriptionsChange shows that a new description holds from the next call
// on.
func TestDescriptionsChange(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{"test.p": raises("com.example.odd", "", "")},
		told:       map[wamp.URI]string{},
	}
	g := newGateway(t, r, nil)
	for i, test := range []struct {
		told string
		want int
	}{{"", 500}, {`{"errors":{"com":404}}`, 404}, {`{"errors":{"com":409}}`, 409}, {`{}`, 500}} {
		r.mu.Lock()
		if r.told["test.p"] = test.told; test.told == "" {
			delete(r.told, "test.p")
		}
		r.mu.Unlock()
		r.generation.Add(1)
		for range 2 {
			if w := post(g, "/call/test.p", ""); w.Code != test.want {
				t.Errorf("%d: %d, want %d", i, w.Code, test.want)
			}
		}
	}
}

// TestGoingAway shows what is said of procedures that go away (RFC 9745, RFC
// 8594), also in answers that are errors.
func TestGoingAway(t *testing.T) {
	t.Parallel()
	const link = `</procedures/test.p>; rel="deprecation"; type="application/json"`
	tests := []struct{ told, deprecation, sunset, link string }{
		{`{"deprecated":1688169599,"sunset":1719791999}`, "@1688169599", "Sun, 30 Jun 2024 23:59:59 GMT", link + "|" + strings.Replace(link, "deprecation", "sunset", 1)},
		{`{"deprecated":true}`, "@1700000000", "", link}, // since it was registered
		{`{"deprecated":false}`, "", "", ""},
		{`{}`, "", "", ""},
	}
	for _, test := range tests {
		r := &realm{
			procedures: map[wamp.URI]procedure{"test.p": returns(`[1]`, "")},
			told:       map[wamp.URI]string{"test.p": test.told},
		}
		g := newGateway(t, r, nil)
		for _, body := range []string{"[1]", "[1"} {
			h := post(g, "/call/test.p", body, "Content-Type", jsonType).Header()
			if h.Get("Deprecation") != test.deprecation || h.Get("Sunset") != test.sunset || strings.Join(h["Link"], "|") != test.link {
				t.Errorf("%s, body %s: Deprecation %q, Sunset %q, Link %q", test.told, body, h.Get("Deprecation"), h.Get("Sunset"), h["Link"])
			}
		}
	}
}

// TestCaching shows which answers may be kept, by whom, and that who has them
// is told so.
func TestCaching(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{"test.kept": returns(`["x"]`, ""), "test.not": returns(`["x"]`, ""), "test.fails": raises("com.example.odd", "", "")},
		safe:       map[wamp.URI]bool{"test.kept": true, "test.not": true, "test.fails": true},
		told:       map[wamp.URI]string{"test.kept": `{"safe":true,"cache":60}`, "test.not": `{"safe":true}`, "test.fails": `{"cache":60}`},
	}
	g := newGateway(t, r, nil)
	first := do(g, http.MethodGet, "/call/test.kept", nil)
	tag := first.Header().Get("ETag")
	if tag == "" || first.Header().Get("Cache-Control") != "public, max-age=60" || first.Header().Get("Vary") != "Accept, Authorization" {
		t.Errorf("GET: %v", first.Header())
	}
	for name, test := range map[string]struct {
		method, path, tag, control string
		status                     int
	}{
		"has it":           {"GET", "/call/test.kept", tag, "public, max-age=60", 304},
		"has it, weakly":   {"GET", "/call/test.kept", `"a", W/` + tag, "public, max-age=60", 304},
		"HEAD":             {"HEAD", "/call/test.kept", tag, "public, max-age=60", 304},
		"QUERY":            {"QUERY", "/call/test.kept", tag, "public, max-age=60", 304},
		"has another":      {"GET", "/call/test.kept", `"a"`, "public, max-age=60", 200},
		"POST":             {"POST", "/call/test.kept", tag, "no-store", 200},
		"nothing declared": {"GET", "/call/test.not", tag, "no-store", 200},
		"errors":           {"GET", "/call/test.fails", tag, "no-store", 500},
	} {
		w := do(g, test.method, test.path, nil, "If-None-Match", test.tag)
		if w.Code != test.status || w.Header().Get("Cache-Control") != test.control {
			t.Errorf("%s: %d, Cache-Control %q; want %d, %q", name, w.Code, w.Header().Get("Cache-Control"), test.status, test.control)
		}
		if w.Code == 304 && (w.Body.Len() > 0 || w.Header().Get("ETag") != tag || w.Header().Get("Vary") == "") {
			t.Errorf("%s: %v %q", name, w.Header(), w.Body)
		}
	}
	known := newGateway(t, r, func(c *gateway.Config) { c.Authenticate = bouncer(t, nil) })
	w := do(known, http.MethodGet, "/call/test.kept", nil, "X-Api-Key", theKey)
	if got := w.Header().Get("Cache-Control"); got != "private, max-age=60" {
		t.Errorf("to somebody who is known: %d, Cache-Control %q; want it private", w.Code, got)
	}
}

// TestMedia shows that bytes go out as what their callee says they are.
func TestMedia(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{
			"test.image": func(c incoming) {
				c.result(wamp.Payload{Serializer: wamp.MsgPack, Args: []byte("\x91\xc4\x03\x89PN")})
			},
			"test.text": returns(`["x"]`, ""),
		},
		told: map[wamp.URI]string{"test.image": `{"media":"image/png"}`, "test.text": `{"media":"image/png"}`},
	}
	g := newGateway(t, r, nil)
	for _, test := range []struct {
		path, accept, media string
		status              int
	}{
		{"/call/test.image", "*/*", "image/png", 200},
		{"/call/test.image", "image/png", "image/png", 200},
		{"/call/test.image", "image/*;q=0.9, */*;q=0.1", "image/png", 200},
		{"/call/test.image", "application/json", "application/json", 200},
		{"/call/test.image", "image/gif", "application/problem+json", 406},
		{"/call/test.text", "image/png", "application/json", 200},
	} {
		w := post(g, test.path, "", "Accept", test.accept)
		if w.Code != test.status || w.Header().Get("Content-Type") != test.media {
			t.Errorf("%s for %s: %d %s, want %d %s", test.path, test.accept, w.Code, w.Header().Get("Content-Type"), test.status, test.media)
		}
	}
	if w := post(g, "/call/test.image?stream=raw", ""); w.Header().Get("Content-Type") != "image/png" || w.Body.String() != "\x89PN" {
		t.Errorf("raw: %s %q", w.Header().Get("Content-Type"), w.Body)
	}
}

// TestRespond shows results that say how they are answered.
func TestRespond(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, told, args, kwargs string
		status                   int
		location, body           string
	}{
		{"created", `{"respond":true}`, `[7]`, `{"_http":{"status":201,"headers":{"location":"/x/7"}}}`, 201, "/x/7", "7\n"},
		{"the rest is kept", `{"respond":true}`, ``, `{"a":1,"_http":{"status":202}}`, 202, "", `{"a":1}` + "\n"},
		{"no content", `{"respond":true}`, ``, `{"_http":{"status":205}}`, 205, "", ""},
		{"redirect", `{"respond":true}`, ``, `{"_http":{"status":303,"headers":{"Location":"/x"}}}`, 303, "/x", ""},
		{"says nothing", `{"respond":true}`, `[7]`, ``, 200, "", "7\n"},
		{"not declared", `{"respond":false}`, `[]`, `{"_http":{"status":201}}`, 200, "", `{"_http":{"status":201}}` + "\n"},
		{"own errors are no results", `{"respond":true}`, `[]`, `{"_http":{"status":500}}`, 502, "", "from 200 to 499"},
		{"foreign field", `{"respond":true}`, `[]`, `{"_http":{"headers":{"Set-Cookie":"a=b"}}}`, 502, "", "none of Content-Disposition"},
		{"two fields in one", `{"respond":true}`, `[]`, `{"_http":{"headers":{"Location":"/\r\nA: b"}}}`, 502, "", "printable ASCII"},
		{"no body possible", `{"respond":true}`, `[7]`, `{"_http":{"status":204}}`, 502, "", "no body"},
		{"nonsense", `{"respond":true}`, `[]`, `{"_http":201}`, 502, "", "wants an object"},
	} {
		r := &realm{
			procedures: map[wamp.URI]procedure{"test.p": returns(test.args, test.kwargs)},
			told:       map[wamp.URI]string{"test.p": test.told},
		}
		w := post(newGateway(t, r, nil), "/call/test.p", "")
		got := w.Body.String()
		if w.Code != test.status || w.Header().Get("Location") != test.location {
			t.Errorf("%s: %d, Location %q, %s", test.name, w.Code, w.Header().Get("Location"), got)
		}
		if w.Code == 502 && !strings.Contains(got, test.body) || w.Code != 502 && got != test.body {
			t.Errorf("%s: body %q, want %q", test.name, got, test.body)
		}
	}
}

// TestOffers shows that a procedure need not take all that the gateway does,
// and that nobody is called with what it does not take.
func TestOffers(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{"test.p": echo},
		told:       map[wamp.URI]string{"test.p": `{"max_body":8,"stream":{"in":false,"out":false}}`},
	}
	g := newGateway(t, r, nil)
	for _, test := range []struct {
		path, body, accept string
		status             int
		detail             string
	}{
		{"/call/test.p", `[1]`, "*/*", 200, ""},
		{"/call/test.p", `[12345678]`, "*/*", 413, "larger than 8 bytes"},
		{"/call/test.p?in=ndjson", `[1]`, "*/*", 501, "?in=whole"},
		{"/call/test.p", `[1]`, "text/event-stream", 406, "answers once"},
	} {
		r.calls = nil
		w := post(g, test.path, test.body, "Content-Type", jsonType, "Accept", test.accept)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.detail) || (len(r.calls) > 0) != (test.status == 200) {
			t.Errorf("%s %s: %d %s, %d calls", test.path, test.accept, w.Code, w.Body, len(r.calls))
		}
	}
}

// TestRequestHeaders shows what a callee gets to see of a request's header:
// what it asked for, and no credentials.
func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{"test.p": echo, "test.q": echo},
		told:       map[wamp.URI]string{"test.p": `{"headers":["accept-language","authorization","Cookie","x-api-key","x-none"]}`},
	}
	g := newGateway(t, r, nil)
	headers := []string{"Accept-Language", "de", "Authorization", "Basic eDp5", "Cookie", "a=b", "X-Api-Key", "k", "Accept-Language", "en"}
	post(g, "/call/test.p", "", headers...)
	call, _ := r.last()
	got, _ := call.Options.Custom.Dict("_headers")
	if len(got) != 1 || got["accept-language"] != "de, en" {
		t.Errorf("the callee sees %v", got)
	}
	post(g, "/call/test.q", "", headers...)
	if call, _ := r.last(); call.Options.Custom != nil {
		t.Errorf("who asked for nothing sees %v", call.Options.Custom)
	}
}

// TestTypedFields shows that forms and queries, which are text, become what the
// procedure's schema wants.
func TestTypedFields(t *testing.T) {
	t.Parallel()
	const schema = `{"schema":{"kwargs":{"properties":{"n":{"type":"integer"},"x":{"type":["number","null"]},"b":{"type":"boolean"},` +
		`"o":{"type":"object"},"l":{"type":"array","items":{"type":"integer"}},"s":{"type":"string"},"m":{"type":["string","integer"]}}}}}`
	r := &realm{
		procedures: map[wamp.URI]procedure{"test.p": echo},
		safe:       map[wamp.URI]bool{"test.p": true},
		told:       map[wamp.URI]string{"test.p": schema},
	}
	g := newGateway(t, r, nil)
	tests := []struct{ form, want, fault string }{
		{"n=7&x=1.5&b=true&s=8&m=9&other=1", `{"n":7,"x":1.5,"b":true,"s":"8","m":"9","other":"1"}`, ""},
		{"n=18446744073709551615", `{"n":18446744073709551615}`, ""},
		{"l=1", `{"l":[1]}`, ""},
		{"l=[1]", "", "/kwargs/l"},
		{"n=%207%20", `{"n":7}`, ""},
		{"n=1e3", "", "/kwargs/n"},
		{"l=1&l=2", `{"l":[1,2]}`, ""},
		{"o=%7B%22a%22%3A1%7D", `{"o":{"a":1}}`, ""},
		{"n=seven", "", "/kwargs/n"},
		{"n=1.5", "", "/kwargs/n"},
		{"b=1", "", "/kwargs/b"},
		{"l=1&l=x", "", "/kwargs/l"},
		{"o=[]", "", "/kwargs/o"},
	}
	for _, test := range tests {
		answers := map[string]string{}
		w := post(g, "/call/test.p", test.form, "Content-Type", "application/x-www-form-urlencoded")
		answers["form"] = w.Body.String()
		answers["query"] = do(g, http.MethodGet, "/call/test.p?kw."+strings.ReplaceAll(test.form, "&", "&kw."), nil).Body.String()
		answers["multipart"] = post(g, "/call/test.p", multipartOf(t, test.form), "Content-Type", "multipart/form-data; boundary=x").Body.String()
		for how, got := range answers {
			if test.fault == "" && got != test.want+"\n" || test.fault != "" && !strings.Contains(got, `"pointer":"`+test.fault+`"`) {
				t.Errorf("%s as %s: %s, want %s%s", test.form, how, got, test.want, test.fault)
			}
		}
	}
}

// TestHideUnauthorized shows that who may not call learns nothing of what is
// there.
func TestHideUnauthorized(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{"test.secret": func(c incoming) { c.fail(wamp.ErrNotAuthorized, wamp.OriginDealer, wamp.Payload{}) }},
		safe:       map[wamp.URI]bool{"test.secret": true},
	}
	hide := newGateway(t, r, func(c *gateway.Config) { c.HideUnauthorized, c.Directory = true, blind{} })
	for _, method := range []string{"POST", "GET", "OPTIONS"} {
		there, not := do(hide, method, "/call/test.secret", nil), do(hide, method, "/call/test.absent", nil)
		if there.Code != not.Code || there.Header().Get("Allow") != not.Header().Get("Allow") ||
			strings.ReplaceAll(there.Body.String(), "secret", "absent") != not.Body.String() {
			t.Errorf("%s: %d %s; where nothing is %d %s", method, there.Code, there.Body, not.Code, not.Body)
		}
	}
	if w := post(newGateway(t, r, nil), "/call/test.secret", ""); w.Code != 401 {
		t.Errorf("without hiding: %d, want 401", w.Code)
	}
}

// blind is a directory that shows nothing to anybody.
type blind struct{}

func (blind) List(wamp.Identity, wamp.ID, int) ([]gateway.Procedure, wamp.ID) { return nil, 0 }

func (blind) Find(wamp.Identity, wamp.URI, wamp.MatchPolicy) (gateway.Procedure, bool) {
	return gateway.Procedure{}, false
}

func (blind) Match(wamp.Identity, wamp.URI) (gateway.Procedure, bool) {
	return gateway.Procedure{}, false
}

// multipartOf returns the fields of a query as a multipart/form-data body with
// the boundary x.
func multipartOf(t *testing.T, query string) string {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	if err := w.SetBoundary("x"); err != nil {
		t.Fatal(err)
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(value)
		if err == nil {
			err = w.WriteField(name, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body.String()
}
