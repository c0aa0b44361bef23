package webhook_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/webhook"
)

// A book is a resolver that knows one answer after the other; the last one
// stays.
type book struct {
	pages [][]string
	asked atomic.Int32
}

func (b *book) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n := min(int(b.asked.Add(1)), len(b.pages))
	var addrs []netip.Addr
	for _, text := range b.pages[n-1] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

// A site is a server that only a Client's dialer reaches, under the address of
// another one.
type site struct {
	*httptest.Server
	dialed atomic.Int32
	last   atomic.Value // string: the address asked for
}

const public = "93.184.215.14"

// newSite returns a server and a client for https://example.com, which is
// looked up in b; nil: it has a public address.
func newSite(t *testing.T, b *book, handler http.HandlerFunc, change func(*webhook.Config)) (*site, *webhook.Client) {
	t.Helper()
	s := &site{Server: httptest.NewTLSServer(handler)}
	t.Cleanup(s.Close)
	if b == nil {
		b = &book{pages: [][]string{{public}}}
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	cfg := webhook.Config{
		Resolver: b, RootCAs: roots,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			s.dialed.Add(1)
			s.last.Store(address)
			return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
		},
	}
	if change != nil {
		change(&cfg)
	}
	c := webhook.New(cfg)
	t.Cleanup(c.Close)
	return s, c
}

func request(url string) *webhook.Request {
	return &webhook.Request{
		URL: url, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ID: "i_1", Procedure: "com.example.p", Request: 7,
		Body: []byte(`{"args":[1],"kwargs":{}}`), Progress: true,
	}
}

// do makes a request and returns the progressive results, the result and the
// failure.
func do(t *testing.T, c *webhook.Client, r *webhook.Request) (progress []string, result string, f *webhook.CallError) {
	t.Helper()
	a, err := c.Do(t.Context(), r, func(a webhook.Answer) error {
		progress = append(progress, string(a.Body))
		return nil
	})
	if err != nil && !errors.As(err, &f) {
		t.Fatalf("%v is no CallError", err)
	}
	return progress, string(a.Body), f
}

// TestRequest shows what a server gets, and checks the signature as Standard
// Webhooks says, by other code than ours.
func TestRequest(t *testing.T) {
	t.Parallel()
	r := request("https://example.com/hook?a=b")
	r.CallerAuthid, r.Traceparent, r.Tracestate = "ada", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b"
	_, c := newSite(t, nil, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Wamp-Procedure": "com.example.p", "Wamp-Request": "7", "Wamp-Caller-Authid": "ada",
			"Traceparent": r.Traceparent, "Tracestate": "a=b", "Webhook-Id": "i_1",
		} {
			if got := req.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if req.Method != http.MethodPost || req.URL.String() != "/hook?a=b" || string(body) != string(r.Body) {
			t.Errorf("%s %s %s", req.Method, req.URL, body)
		}
		key, _ := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		stamp := req.Header.Get("Webhook-Timestamp")
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "i_1.%s.%s", stamp, body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); req.Header.Get("Webhook-Signature") != want {
			t.Errorf("signature %s, want %s", req.Header.Get("Webhook-Signature"), want)
		}
		if at, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
			t.Errorf("timestamp %s", stamp)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[2]`)
	}, nil)
	if _, got, f := do(t, c, r); got != "[2]" || f != nil {
		t.Errorf("result %s, %v", got, f)
	}
}

// TestSignature holds a signature against one that is known: the example of
// Standard Webhooks, made anew with openssl; in the bubble it is the year 2000,
// so the clock is put forward.
func TestSignature(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const at, want = 1614265330, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		<-time.After(time.Until(time.Unix(at, 0)))
		client, server := net.Pipe()
		got := make(chan http.Header, 1)
		go func() {
			defer server.Close() //nolint:errcheck // it is a pipe
			r, err := http.ReadRequest(bufio.NewReader(server))
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			got <- r.Header
			_, _ = io.WriteString(server, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		}()
		c := webhook.New(webhook.Config{
			Allow:    []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")},
			Resolver: &book{pages: [][]string{{"10.0.0.1"}}},
			Dial:     func(context.Context, string, string) (net.Conn, error) { return client, nil },
		})
		defer c.Close()
		r := request("http://example.com/")
		r.ID, r.Body = "msg_p5jXN8AQM9LWM0D4loKWxJek", []byte(`{"test": 2432232314}`)
		if _, _, f := do(t, c, r); f != nil {
			t.Fatal(f)
		}
		h := <-got
		if h.Get("Webhook-Timestamp") != strconv.Itoa(at) || h.Get("Webhook-Signature") != want {
			t.Errorf("timestamp %s, signature %s, want %d, %s", h.Get("Webhook-Timestamp"), h.Get("Webhook-Signature"), at, want)
		}
	})
}

// TestTextInFields: names that do not fit into a header field arrive whole, and
// none becomes another.
func TestTextInFields(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"com.example.zürich", " ada ", "ada\r\nX-Evil: 1", "50%", "%61da", "ada lovelace"} {
		var procedure, authid []string
		_, c := newSite(t, nil, func(_ http.ResponseWriter, r *http.Request) {
			procedure, authid = r.Header["Wamp-Procedure"], r.Header["Wamp-Caller-Authid"]
			if r.Header.Get("X-Evil") != "" {
				t.Errorf("%q made a field of its own", text)
			}
		}, nil)
		r := request("https://example.com")
		r.Procedure, r.CallerAuthid = wamp.URI(text), text
		if _, _, f := do(t, c, r); f != nil {
			t.Fatal(f)
		}
		for _, field := range [][]string{procedure, authid} {
			if got, err := url.PathUnescape(strings.Join(field, ",")); err != nil || got != text {
				t.Errorf("%q arrives as %q (%v)", text, got, err)
			}
		}
	}
}

// TestManyAddresses: a name that stands for many addresses has few of them
// tried, and not for long, also when nobody waits any more.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		page := []string{"10.0.0.1"}
		for n := range 100 {
			page = append(page, netip.AddrFrom4([4]byte{93, 184, 215, byte(n)}).String())
		}
		tried := 0
		var wait time.Duration
		c := webhook.New(webhook.Config{
			Resolver: &book{pages: [][]string{page}},
			Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				tried++
				select {
				case <-ctx.Done():
				case <-time.After(wait):
				}
				return nil, errors.New("nobody there")
			},
		})
		defer c.Close()
		if _, _, f := do(t, c, request("https://example.com")); f == nil || f.URI != webhook.ErrUpstream || tried != 4 {
			t.Errorf("%d addresses were tried: %v", tried, f)
		}
		wait = time.Hour
		begin := time.Now()
		if _, _, f := do(t, c, request("https://example.com")); f == nil || time.Since(begin) != 20*time.Second {
			t.Errorf("given up after %v: %v", time.Since(begin), f)
		}
	})
}

// TestProtocols: HTTP/2 is spoken where the server does, and what was packed
// counts unpacked.
func TestProtocols(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/bomb" {
			_, _ = io.WriteString(w, r.Proto)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, strings.Repeat("1", 1<<20))
		_ = z.Close()
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := webhook.New(webhook.Config{
		RootCAs: roots, Resolver: &book{pages: [][]string{{public}}}, MaxBody: 100_000,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
		},
	})
	t.Cleanup(c.Close)
	if _, got, f := do(t, c, request("https://example.com")); got != "HTTP/2.0" || f != nil {
		t.Errorf("%q, %v", got, f)
	}
	if _, _, f := do(t, c, request("https://example.com/bomb")); f == nil || f.Detail != "the webhook's answer is larger than 100000 bytes" {
		t.Errorf("a bomb: %v", f)
	}
}

// TestSecret: secrets differ, have the form of Standard Webhooks, and 256 bits.
func TestSecret(t *testing.T) {
	t.Parallel()
	a, b := webhook.NewSecret(), webhook.NewSecret()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(a, "whsec_"))
	if a == b || !strings.HasPrefix(a, "whsec_") || err != nil || len(raw) != 32 {
		t.Errorf("secrets %s and %s: %v", a, b, err)
	}
}

// TestAnswers: what servers say, and what becomes of it.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const problem, events, lines = "application/problem+json", "text/event-stream", "application/x-ndjson"
	for name, tt := range map[string]struct {
		status   int
		media    string
		body     string
		progress string
		result   string
		uri      wamp.URI
		detail   string
	}{
		"value":       {200, "application/json", `{"a":1}`, "", `{"a":1}`, "", ""},
		"created":     {201, "text/plain", `hi`, "", `hi`, "", ""},
		"nothing":     {204, "", "", "", "", "", ""},
		"large":       {200, "application/json", `"` + strings.Repeat("a", 1000) + `"`, "", "", webhook.ErrUpstream, "the webhook's answer is larger than 1000 bytes"},
		"redirect":    {302, "", "", "", "", webhook.ErrUpstream, "the webhook redirects with status 302, which is not followed; register the address that it leads to"},
		"failed":      {500, "text/html", "secrets of the house", "", "", webhook.ErrUpstream, "the webhook answered with status 500"},
		"error":       {409, problem, `{"error":"com.example.no","detail":"why","args":[1],"kwargs":{"a":2}}`, "", "", "com.example.no", "why"},
		"error, bad":  {409, problem, `{"error":"..","detail":"why"}`, "", "", webhook.ErrUpstream, "the webhook answered with status 409"},
		"error, text": {409, problem, "{\"error\":\"com.example.no\",\"args\":[\"\xff\"]}", "", "", webhook.ErrUpstream, "the webhook answered with status 409"},
		"error, keys": {409, problem, `{"error":"com.example.no","kwargs":{"a":1,"a":2}}`, "", "", webhook.ErrUpstream, "the webhook answered with status 409"},
		"error, deep": {409, problem, `{"error":"com.example.no","args":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`, "", "", webhook.ErrUpstream, "the webhook answered with status 409"},
		"full":        {200, "application/json", strings.Repeat("1", 1000), "", strings.Repeat("1", 1000), "", ""},
		"full line":   {200, lines, strings.Repeat("1", 1000) + "\r\n", "", strings.Repeat("1", 1000), "", ""},
		"line above":  {200, lines, strings.Repeat("1", 1001) + "\n", "", "", webhook.ErrUpstream, "an item of the webhook's answer is larger than 1000 bytes"},
		"error, none": {409, problem, `{"title":"Conflict"}`, "", "", webhook.ErrUpstream, "the webhook answered with status 409"},
		"lines":       {200, lines, "[1]\n\r\n[2]\r\n[3]\n", "[1] [2]", "[3]", "", ""},
		"one line":    {200, "application/jsonl", "[1]\n", "", "[1]", "", ""},
		"no line":     {200, lines, "", "", "", "", ""},
		"cut line":    {200, lines, "[1]\n[2]\n[3", "[1]", "", webhook.ErrUpstream, "the webhook's answer broke off"},
		"long line":   {200, lines, "[1]\n" + strings.Repeat("2", 2000) + "\n", "", "", webhook.ErrUpstream, "an item of the webhook's answer is larger than 1000 bytes"},
		"events": {
			200, events, "retry: 1\n: hi\n\nevent: progress\ndata: {\"args\":[1]}\n\nevent: other\ndata: x\n\nevent:result\r\ndata:{\"args\":\r\ndata:[2]}\r\n\r\nevent: progress\ndata: late\n\n",
			`{"args":[1]}`, "{\"args\":\n[2]}", "", "",
		},
		"full event":   {200, events, "event: result\ndata: " + strings.Repeat("1", 1000) + "\n\n", "", strings.Repeat("1", 1000), "", ""},
		"event above":  {200, events, "event: result\ndata:" + strings.Repeat("1", 1001) + "\n\n", "", "", webhook.ErrUpstream, "an item of the webhook's answer is larger than 1000 bytes"},
		"event, mark":  {200, events, "\ufeffevent: result\ndata: [1]\n\n", "", "[1]", "", ""},
		"event, text":  {200, events, "event: error\ndata: {\"error\":\"com.example.no\",\"args\":[\"\xff\"]}\n\n", "", "", webhook.ErrUpstream, "the webhook's events ended with an error that names none"},
		"event, error": {200, events, "event: error\ndata: {\"error\":\"com.example.no\",\"detail\":\"why\"}\n\n", "", "", "com.example.no", "why"},
		"event, none":  {200, events, "event: progress\ndata: [1]\n\n", "[1]", "", webhook.ErrUpstream, "the webhook's events ended without a result"},
		"event, vague": {200, events, "event: error\ndata: oh\n\n", "", "", webhook.ErrUpstream, "the webhook's events ended with an error that names none"},
		"long event":   {200, events, strings.Repeat("data: "+strings.Repeat("x", 500)+"\n", 3), "", "", webhook.ErrUpstream, "an item of the webhook's answer is larger than 1000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := newSite(t, nil, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.media)
				w.Header().Set("Location", "https://example.com/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}, func(cfg *webhook.Config) { cfg.MaxBody = 1000 })
			progress, result, f := do(t, c, request("https://example.com"))
			if f == nil {
				f = &webhook.CallError{}
			}
			if strings.Join(progress, " ") != tt.progress || result != tt.result || f.URI != tt.uri || f.Detail != tt.detail {
				t.Errorf("progress %q, result %q, failure %v", progress, result, f)
			}
			if n := s.dialed.Load(); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
			quiet := request("https://example.com")
			quiet.Progress = false
			if progress, again, _ := do(t, c, quiet); len(progress) > 0 || again != result {
				t.Errorf("without progress: %q, result %q, want %q", progress, again, result)
			}
		})
	}
}

// TestErrorKeepsArguments: what an error of the server carries comes along.
func TestErrorKeepsArguments(t *testing.T) {
	t.Parallel()
	_, c := newSite(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"error":"com.example.no","args":[1],"kwargs":{"a":2}}`)
	}, nil)
	_, _, f := do(t, c, request("https://example.com"))
	if f == nil || string(f.Args) != "[1]" || string(f.Kwargs) != `{"a":2}` {
		t.Errorf("%+v", f)
	}
}

// TestStopped: the end of the context is the end of the request, at the server
// too.
func TestStopped(t *testing.T) {
	t.Parallel()
	arrived, left := make(chan struct{}, 2), make(chan struct{}, 2)
	_, c := newSite(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	var f *webhook.CallError
	if _, err := c.Do(ctx, request("https://example.com"), nil); !errors.As(err, &f) || f.URI != wamp.ErrCanceled {
		t.Errorf("canceled: %v", err)
	}
	<-left
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Do(ctx, request("https://example.com"), nil); !errors.As(err, &f) || f.URI != wamp.ErrTimeout {
		t.Errorf("timed out: %v", err)
	}
}

// TestForgery: nobody is led to where only this machine can go, however the
// way is written; what is allowed is.
func TestForgery(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/",
		"https://127.0.0.1./", "https://0/", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
		"https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:7f00:1::]/",
		"https://[2001:0:7f00:1::]/", "https://[fe80::1%25eth0]/", "https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[fec0::1]/",
		"https://[::ffff:0:7f00:1]/", "https://[64:ff9b:1::7f00:1]/", "https://[4000::1]/", "https://[100::1]/", "https://[5f00::1]/", "https://168.63.129.16/",
		"https://127。0。0。1/", "https://127.0.0.１/", "https://①②⑦.0.0.1/", "https://0xffffffffffffffffff/", "https://127.0.0.0X1/", "https://0x/",
		"https://169.254.169.254/latest/meta-data/", "https://100.100.100.200/", "https://10.0.0.1/", "https://172.16.0.1/",
		"https://192.168.1.1/", "https://100.64.0.1/", "https://192.0.2.1/", "https://198.18.0.1/", "https://224.0.0.1/", "https://255.255.255.255/",
		"http://example.com/", "http://" + public + "/", "ftp://example.com/", "//example.com/", "https:example.com", "https:///x",
		"https://user:pass@example.com/", "https://example.com/#x", "https://example.com:0/", "https://example.com:99999/", "https://example.com:x/",
		"file:///etc/passwd", "gopher://example.com/", "https://" + strings.Repeat("a", 3000), "",
	} {
		c := webhook.New(webhook.Config{
			Resolver: &book{pages: [][]string{{public}}},
			Dial: func(_ context.Context, _, address string) (net.Conn, error) {
				t.Errorf("%s was dialed for %s", address, raw)
				return nil, errors.New("nothing leaves the machine")
			},
		})
		if err := c.Check(raw); err == nil {
			t.Errorf("%s may be called", raw)
		}
		_, err := c.Do(t.Context(), request(raw), nil)
		var f *webhook.CallError
		if !errors.As(err, &f) || f.URI != webhook.ErrUpstream {
			t.Errorf("%s was called: %v", raw, err)
		}
	}
	for _, raw := range []string{"https://example.com", "https://example.com:8443/a?b", "https://" + public + "/", "https://[2606:4700::1111]/", "https://xn--bcher-kva.example/", "https://0x.example/", "HTTPS://EXAMPLE.COM/"} {
		if err := webhook.New(webhook.Config{}).Check(raw); err != nil {
			t.Errorf("%s may not be called: %v", raw, err)
		}
	}
}

// TestRebinding: a name is judged by what it stands for at each connection, and
// that is where the connection goes.
func TestRebinding(t *testing.T) {
	t.Parallel()
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // so that each request looks the name up
		_, _ = io.WriteString(w, "x")
	}
	for name, tt := range map[string]struct {
		pages  [][]string
		fails  int // the request that does; 0: none
		dialed string
	}{
		"public":         {[][]string{{public}}, 0, public + ":443"},
		"inside":         {[][]string{{"10.0.0.1"}}, 1, ""},
		"rebinding":      {[][]string{{public}, {"127.0.0.1"}}, 2, public + ":443"},
		"mixed":          {[][]string{{"169.254.169.254", public}}, 0, public + ":443"},
		"all inside":     {[][]string{{"::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"}}, 1, ""},
		"nothing at all": {[][]string{{}}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &book{pages: tt.pages}
			s, c := newSite(t, b, answer, nil)
			for n := 1; n <= 2; n++ {
				_, _, f := do(t, c, request("https://example.com/"))
				if failed := f != nil; failed != (tt.fails != 0 && n >= tt.fails) {
					t.Errorf("request %d: %v", n, f)
				}
				if f != nil && f.URI != webhook.ErrUpstream {
					t.Errorf("request %d: %v", n, f)
				}
				if f != nil && len(tt.pages[0]) > 0 && (strings.Contains(f.Detail, "10.0.0") || strings.Contains(f.Detail, "127.0")) {
					t.Errorf("the failure tells about the inside: %s", f.Detail)
				}
			}
			if got, _ := s.last.Load().(string); got != tt.dialed {
				t.Errorf("dialed %q, want %q", got, tt.dialed)
			}
		})
	}
}

// TestRedirect: a server cannot lead on to the inside.
func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s, c := newSite(t, nil, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", status)
		}, nil)
		if _, _, f := do(t, c, request("https://example.com/")); f == nil || f.URI != webhook.ErrUpstream || s.dialed.Load() != 1 {
			t.Errorf("status %d: %v after %d connections", status, f, s.dialed.Load())
		}
	}
}

// TestAllowed: the operator can open some of the inside, without TLS too.
func TestAllowed(t *testing.T) {
	t.Parallel()
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	t.Cleanup(inside.Close)
	c := webhook.New(webhook.Config{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: &book{pages: [][]string{{"127.0.0.2"}, {public}}},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != inside.Listener.Addr().String() {
				t.Errorf("%s was dialed", address)
				return nil, errors.New("nothing leaves the machine")
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	})
	t.Cleanup(c.Close)
	for _, url := range []string{inside.URL, "HTTP" + strings.TrimPrefix(inside.URL, "http")} {
		if _, got, f := do(t, c, request(url)); got != "x" || f != nil {
			t.Errorf("allowed: %s: %q, %v", url, got, f)
		}
	}
	port := inside.URL[strings.LastIndexByte(inside.URL, ':'):]
	for _, url := range []string{"HTTP://example.com" + port, "HTTP://example.com" + port, "http://127.0.0.2" + port, "https://127.0.0.2" + port, "http://example.com" + port, "http://example.com" + port} {
		if _, _, f := do(t, c, request(url)); f == nil {
			t.Errorf("%s was called", url)
		}
	}
}

// FuzzCheck: no URL that may be called names an address that is not public.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"https://127.0.0.1", "https://[::ffff:1.2.3.4]:1/", "https://0x7f.1", "https://[::ffff:0:7f00:1]", "https://127。0。0。1", "HTTPS://0X7f", "https://example.com/%", "https://١.1.1.1/"} {
		f.Add(seed)
	}
	c := webhook.New(webhook.Config{})
	f.Fuzz(func(t *testing.T, raw string) {
		if c.Check(raw) != nil {
			return
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, raw, http.NoBody)
		if err != nil {
			t.Fatalf("%q was accepted: %v", raw, err)
		}
		if addr, err := netip.ParseAddr(req.URL.Hostname()); err == nil && !webhook.Public(addr) {
			t.Errorf("%q leads to %s", raw, addr)
		}
	})
}
