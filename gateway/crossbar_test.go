package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestBridge makes calls as clients of Crossbar's HTTP bridge do.
func TestBridge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path, media, body string
		status            int
		want              string // in the answer
	}{
		"all":               {"/call", jsonType, `{"procedure":"test.echo","args":[1,"a"],"kwargs":{"b":9007199254740993},"options":{"timeout":500,"disclose_me":true}}`, 200, `{"args":[1,"a"],"kwargs":{"b":9007199254740993}}`},
		"procedure alone":   {"/call", jsonType, `{"procedure":"test.echo"}`, 200, `{"args":[],"kwargs":{}}`},
		"one argument":      {"/call", jsonType, ` { "args" : [ 1 ] , "procedure" : "test.echo" } `, 200, `{"args":[ 1 ],"kwargs":{}}`},
		"error of a callee": {"/call", jsonType, `{"procedure":"test.fail"}`, 500, `"error":"com.example.oops"`},
		"no such procedure": {"/call", jsonType, `{"procedure":"test.none"}`, 404, "wamp.error.no_such_procedure"},
		"no procedure":      {"/call", jsonType, `{"args":[1]}`, 400, "wamp.error.invalid_uri"},
		"no URI":            {"/call", jsonType, `{"procedure":"a..b"}`, 400, "wamp.error.invalid_uri"},
		"a number":          {"/call", jsonType, `{"procedure":7}`, 400, "procedure must be"},
		"args in an object": {"/call", jsonType, `{"procedure":"test.echo","args":{}}`, 400, "args must be"},
		"unknown member":    {"/call", jsonType, `{"procedure":"test.echo","arg":[]}`, 400, "not"},
		"member twice":      {"/call", jsonType, `{"procedure":"test.echo","procedure":"test.fail"}`, 400, "is there twice"},
		"unknown option":    {"/call", jsonType, `{"procedure":"test.echo","options":{"receive_progress":true}}`, 400, "not offered here"},
		"float timeout":     {"/call", jsonType, `{"procedure":"test.echo","options":{"timeout":500.0}}`, 200, `{"args":[],"kwargs":{}}`},
		"bad timeout":       {"/call", jsonType, `{"procedure":"test.echo","options":{"timeout":-1}}`, 400, "negative"},
		"bad disclose_me":   {"/call", jsonType, `{"procedure":"test.echo","options":{"disclose_me":1}}`, 400, "true or false"},
		"list":              {"/call", jsonType, `["test.echo"]`, 400, "must be an object"},
		"empty":             {"/call", jsonType, ``, 400, ""},
		"cut":               {"/call", jsonType, `{"procedure":"test.echo"`, 400, ""},
		"another type":      {"/call", "text/plain", `{"procedure":"test.echo"}`, 415, "takes application/json"},
		"options in a URL":  {"/call?timeout=1s", jsonType, `{"procedure":"test.echo"}`, 400, "stand in its body"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo, "test.fail": raises("com.example.oops", `["x"]`, "")}}
			g := newGateway(t, r, nil)
			w := post(g, test.path, test.body, "Content-Type", test.media)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("%d %s, want %d with %s", w.Code, w.Body, test.status, test.want)
			}
			if c, ok := r.last(); name == "all" && (!ok || c.Options.Timeout != 500 || !c.Options.DiscloseMe) {
				t.Errorf("the CALL was %+v", c)
			}
			if _, ok := r.last(); ok && test.status == http.StatusBadRequest {
				t.Error("a bad request was passed on")
			}
		})
	}
}
