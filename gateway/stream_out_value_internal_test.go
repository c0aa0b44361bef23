package gateway

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/sse"
)

// FuzzCompact: valid JSON loses its white space and nothing else; whatever it
// is, it becomes one line.
func FuzzCompact(f *testing.F) {
	for _, seed := range []string{
		`{"a": [1 , "b \" c\\"]}`, "[\r\n1\t]", `"\u0000 x"`, "\"a\nb\"", `"open \`, "[\x01]", " null ", "{\"\u2028\": -1.0e+2}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		got := appendCompact([]byte("<"), value)[1:]
		if i := bytes.IndexFunc(got, func(r rune) bool { return r < ' ' }); i >= 0 {
			t.Errorf("appendCompact(%q) = %q, with a control character at %d", value, got, i)
		}
		var want bytes.Buffer
		if json.Compact(&want, value) == nil && want.String() != string(got) {
			t.Errorf("appendCompact(%q) = %q, want %q", value, got, &want)
		}
	})
}

func TestAppendBare(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, kwargs, want string }{
		{"", "", "null"},
		{"[]", "{}", "null"},
		{"[1]", "", "1"},
		{"[[1]]", "{}", "[1]"},
		{"[1,2]", "", `{"args":[1,2]}`},
		{"", `{"a": 1}`, `{"a":1}`},
		{"[ ]", `{"a": 1}`, `{"a":1}`},
		{"[1]", `{"a": 1}`, `{"args":[1],"kwargs":{"a":1}}`},
	}
	for _, tt := range tests {
		p := wamp.Payload{Serializer: wamp.JSON}
		if tt.args != "" {
			p.Args = []byte(tt.args)
		}
		if tt.kwargs != "" {
			p.Kwargs = []byte(tt.kwargs)
		}
		got, err := appendBare(nil, p)
		if string(got) != tt.want || err != nil {
			t.Errorf("appendBare(%s, %s) = %s, %v, want %s", tt.args, tt.kwargs, got, err, tt.want)
		}
	}
}

// TestEndingsAreFew: only the latest are remembered.
func TestEndingsAreFew(t *testing.T) {
	t.Parallel()
	var e endings
	for i := range 3 * keptEndings {
		e.add(sse.ID{Call: "c", Seq: uint64(i)})
	}
	for seq, want := range map[uint64]bool{0: false, 2*keptEndings - 1: false, 2 * keptEndings: true, 3*keptEndings - 1: true} {
		if got := e.has(sse.ID{Call: "c", Seq: seq}); got != want {
			t.Errorf("has(%d) = %t, want %t", seq, got, want)
		}
	}
	if len(e.known) != keptEndings || len(e.ring) != keptEndings {
		t.Errorf("%d endings in a ring of %d, want %d", len(e.known), len(e.ring), keptEndings)
	}
}

func TestRawFormKeepsWhatIsNoBytes(t *testing.T) {
	t.Parallel()
	progress := event{kind: eventProgress, payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["a",1]`)}}
	if got, err := (rawForm{}).event([]byte("<"), 1, progress); err == nil || string(got) != "<" {
		t.Errorf("progress %s = %q, %v, want an error and nothing written", progress.payload.Args, got, err)
	}
	result := event{kind: eventResult, payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["a",1]`)}}
	if got, err := (rawForm{}).event([]byte("<"), 1, result); err != nil || string(got) != "<" {
		t.Errorf("result %s = %q, %v, want nothing written", result.payload.Args, got, err)
	}
	if got := (rawForm{}).beat(nil); got != nil {
		t.Errorf("beat() = %q, want nothing: a download has no place for it", got)
	}
	if _, ok := (rawForm{}).failure(nil, 1, nil); ok {
		t.Error("failure() says that a download can tell of an error")
	}
}

func BenchmarkAppendCompact(b *testing.B) {
	value := []byte(`[` + strings.Repeat(`{"name":"a few words","n":12345},`, 100) + `null]`)
	var dst []byte
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		dst = appendCompact(dst[:0], value)
	}
}
