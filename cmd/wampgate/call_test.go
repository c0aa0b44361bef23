package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCall calls the samples.
func TestCall(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	for _, tt := range []struct {
		args   string // separated by blanks
		code   int
		stdout string
		stderr string // without the name of the program
	}{
		{"demo.add 2 3", exitOK, "5\n", ""},
		{"demo.add -2 -3.5", exitOK, "-5.5\n", ""},
		{"demo.add 0.1 0.2", exitOK, "0.3\n", ""},
		{"demo.add 9007199254740993 1e2", exitOK, "9007199254741093\n", ""},
		{"demo.add", exitOK, "0\n", ""},
		{"demo.add x", exitRefused, "", "demo.add: invalid argument (422, gateway, retry no)\n  the arguments are not as the procedure describes them\n  /args/0 must be a number, not a string\n"},
		{"demo.add 1e99999", exitRefused, "", "demo.add: invalid argument (422, gateway, retry no)\n  the arguments are not as the procedure describes them\n  /args/0 is a number with more than 4000 digits, or an exponent above 1000\n"},
		{"demo.greet", exitOK, `"Hello, world"` + "\n", ""},
		{"demo.greet Ada", exitOK, `"Hello, Ada"` + "\n", ""},
		{"demo.greet name=Ada", exitOK, `"Hello, Ada"` + "\n", ""},
		{"demo.echo", exitOK, "", ""},
		{"demo.echo 1.0 a=b=c n:=[1,null] 9007199254740993", exitOK, `{"args":[1.0,9007199254740993],"kwargs":{"a":"b=c","n":[1,null]}}` + "\n", ""},
		{"demo.echo <&>", exitOK, `"<&>"` + "\n", ""},
		{"demo.count 3", exitOK, `"done"` + "\n", ""},
		{"demo.count -1", exitRefused, "", "demo.count: invalid argument (422, gateway, retry no)\n  the arguments are not as the procedure describes them\n  /args/0 must be at least 0\n"},
		{"--stream demo.count 3", exitOK, "1\n2\n3\n\"done\"\n", ""},
		{"demo.count delay_ms:=1 2 --stream", exitOK, "1\n2\n\"done\"\n", ""},
		{"demo.grep ok Errors pattern=ERR", exitOK, "1\n", ""},
		{"demo.sha256 ab c", exitOK, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"` + "\n", ""},
		{"demo.sleep 0.01", exitOK, "0.01\n", ""},
		{"demo.sleep x", exitRefused, "", "demo.sleep: invalid argument (422, gateway, retry no)\n  the arguments are not as the procedure describes them\n  /args/0 must be a number, not a string\n"},
		{"demo.sleep 60 -t 20ms", exitTimeout, "", "demo.sleep: timeout (504, dealer, retry unknown)\n  no answer within 20ms\n"},
		{"demo.sleep 60 -t 20ms --stream", exitTimeout, "", "demo.sleep: timeout (504, dealer, retry unknown)\n  no answer within 20ms\n"},
		{"demo.fail", exitFailed, "", "demo.fail: demo.error.failed (500, callee, retry no)\n  this procedure always fails\n"},
		{"demo.fail no error=com.x.not_found", exitFailed, "", "demo.fail: com.x.not_found (404, callee, retry no)\n  no\n"},
		{"demo.ad 1", exitRefused, "", "demo.ad: no such procedure (404, dealer, retry safe)\n  no procedure demo.ad; did you mean demo.add?\n"},
		{"demo..add", exitRefused, "", "demo..add: invalid uri (400, "},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"call"}, strings.Fields(tt.args)...)
			got := runWith(soon(t), []string{"WAMPGATE_URL=" + url}, args...)
			stderr := strings.TrimPrefix(got.stderr, "wampgate: ")
			if got.code != tt.code || got.stdout != tt.stdout || !strings.HasPrefix(stderr, tt.stderr) || tt.stderr == "" && stderr != "" {
				t.Errorf("code %d, stdout %q, stderr %q; want %d, %q, %q", got.code, got.stdout, stderr, tt.code, tt.stdout, tt.stderr)
			}
		})
	}
}

// TestCallAnswers plays gateways that answer in other ways.
func TestCallAnswers(t *testing.T) {
	t.Parallel()
	const ndjson = "application/x-ndjson"
	for name, tt := range map[string]struct {
		status      int
		contentType string
		body        string
		code        int
		stdout      string
		stderr      string // part of it
	}{
		"proxy":             {502, "text/html", "<h1>Bad Gateway</h1>", exitUnavailable, "", "x: bad gateway (502, gateway, retry unknown)"},
		"proxy says no":     {403, "text/html", "no", exitRefused, "", "x: forbidden (403, gateway, retry unknown)"},
		"proxy timeout":     {504, "text/html", "", exitTimeout, "", "x: gateway timeout (504, gateway, retry unknown)"},
		"no content":        {204, "", "", exitOK, "", ""},
		"no line feed":      {200, typeJSON, "1", exitOK, "1\n", ""},
		"line feed":         {200, typeJSON, "1\n", exitOK, "1\n", ""},
		"stream":            {200, ndjson, `{"event":"call"}` + "\n" + `{"event":"ping"}` + "\n" + `{"event":"progress","args":["<"],"kwargs":{"a":1}}` + "\n" + `{"event":"result"}`, exitOK, `{"args":["<"],"kwargs":{"a":1}}` + "\n", ""},
		"stream of kwargs":  {200, ndjson, `{"event":"result","kwargs":{"a":1}}`, exitOK, `{"a":1}` + "\n", ""},
		"stream that fails": {200, ndjson, `{"event":"progress","args":[1]}` + "\n" + `{"event":"error","status":422,"error":"com.x","source":"callee","retry":"no","args":[3]}`, exitFailed, "1\n", "x: com.x (422, callee, retry no)"},
		"cut stream":        {200, ndjson, `{"event":"progress","args":[1]}` + "\n", exitUnavailable, "1\n", "the answer broke off: unexpected EOF"},
		"broken stream":     {200, ndjson, `{"event":`, exitUnavailable, "", "the answer broke off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(tt.status)
				_, _ = fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			got := runWith(soon(t), nil, "call", "x", "--url", server.URL)
			if got.code != tt.code || got.stdout != tt.stdout || !strings.Contains(got.stderr, tt.stderr) || tt.stderr == "" && got.stderr != "" {
				t.Errorf("code %d, stdout %q, stderr %q; want %d, %q, …%q…", got.code, got.stdout, got.stderr, tt.code, tt.stdout, tt.stderr)
			}
		})
	}
}

// TestCallInterrupted stops a call the way Ctrl-C does and sees the gateway
// lose its client.
func TestCallInterrupted(t *testing.T) {
	t.Parallel()
	called, gone := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var b [100]byte
		for _, err := r.Body.Read(b[:]); err == nil; _, err = r.Body.Read(b[:]) {
			continue // to its end, or net/http does not watch the connection
		}
		close(called)
		<-r.Context().Done()
		close(gone)
	}))
	defer server.Close()
	ctx, interrupt := context.WithCancel(soon(t))
	go func() {
		<-called
		interrupt()
	}()
	got := runWith(ctx, nil, "call", "x", "--url", server.URL)
	if got.code != exitInterrupted || got.stderr != "wampgate: canceled\n" {
		t.Errorf("code %d, stderr %q; want %d, %q", got.code, got.stderr, exitInterrupted, "wampgate: canceled\n")
	}
	select {
	case <-gone:
	case <-soon(t).Done():
		t.Error("the gateway never noticed that its client left")
	}
}

// TestCallRequest looks at what call sends.
func TestCallRequest(t *testing.T) {
	t.Parallel()
	type request struct{ uri, body, contentType, accept string }
	var got request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		got = request{r.RequestURI, string(body), r.Header.Get("Content-Type"), r.Header.Get("Accept")}
	}))
	defer server.Close()
	for _, tt := range []struct {
		args []string
		want request
	}{
		{[]string{"a.b"}, request{"/base/call/a.b", "{}", typeEnvelope, typeJSON}},
		{
			[]string{"a/b c%", "-t", "1500ms", "--stream", `"x=y"`, "x=", "y:= 1", "-1", "tr ue"},
			request{"/base/call/a%2Fb%20c%25?timeout=1500", `{"args":["x=y",-1,"tr ue"],"kwargs":{"x":"","y":1}}`, typeEnvelope, typeNDJSON},
		},
		{[]string{"a", "-t", "1ns"}, request{"/base/call/a?timeout=1", "{}", typeEnvelope, typeJSON}},
	} {
		out := runWith(soon(t), nil, append([]string{"call", "--url", server.URL + "/base/"}, tt.args...)...)
		if out.code != exitOK || got != tt.want {
			t.Errorf("call %q sent %+v, want %+v (code %d, %s)", tt.args, got, tt.want, out.code, out.stderr)
		}
	}
}
