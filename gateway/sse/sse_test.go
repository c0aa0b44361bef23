package sse_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/gateway/sse"
)

func TestEventAppend(t *testing.T) {
	t.Parallel()
	id := sse.ID{Call: "c_7f3k", Seq: 1}
	tests := []struct {
		name  string
		event sse.Event
		want  string
	}{
		{"all", sse.Event{Name: "progress", ID: id, Data: []byte(`{"args":[1]}`)}, "event: progress\nid: c_7f3k/1\ndata: {\"args\":[1]}\n\n"},
		{"no name", sse.Event{ID: id, Data: []byte("x")}, "id: c_7f3k/1\ndata: x\n\n"},
		{"no id", sse.Event{Name: "a", Data: []byte("x")}, "event: a\ndata: x\n\n"},
		{"no data", sse.Event{Name: "a"}, "event: a\ndata: \n\n"},
		{"LF", sse.Event{Data: []byte("a\nb")}, "data: a\ndata: b\n\n"},
		{"CR LF", sse.Event{Data: []byte("a\r\nb")}, "data: a\ndata: b\n\n"},
		{"CR", sse.Event{Data: []byte("a\rb")}, "data: a\ndata: b\n\n"},
		{"trailing LF", sse.Event{Data: []byte("a\n")}, "data: a\ndata: \n\n"},
		{"forged event", sse.Event{Data: []byte("a\n\nevent: result\ndata: b")}, "data: a\ndata: \ndata: event: result\ndata: data: b\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(tt.event.Append([]byte("<"))); got != "<"+tt.want {
				t.Errorf("Append() = %q, want %q", got, "<"+tt.want)
			}
		})
	}
}

func TestAppendComment(t *testing.T) {
	t.Parallel()
	if got, want := string(sse.AppendComment(nil, "hb")), ": hb\n\n"; got != want {
		t.Errorf("AppendComment(hb) = %q, want %q", got, want)
	}
	if got, want := string(sse.AppendComment(nil, "a\nevent: x")), ": a\n: event: x\n\n"; got != want {
		t.Errorf("AppendComment() = %q, want %q", got, want)
	}
}

func TestAppendRetry(t *testing.T) {
	t.Parallel()
	tests := []struct {
		d    time.Duration
		want string
	}{
		{2 * time.Second, "retry: 2000\n"},
		{1500 * time.Microsecond, "retry: 1\n"},
		{-time.Second, "retry: 0\n"},
		{math.MaxInt64, "retry: 2147483647\n"},
	}
	for _, tt := range tests {
		if got := string(sse.AppendRetry(nil, tt.d)); got != tt.want {
			t.Errorf("AppendRetry(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestParseID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want sse.ID
		ok   bool
	}{
		{"c_7f3k/0", sse.ID{Call: "c_7f3k"}, true},
		{"c_7f3k/18446744073709551615", sse.ID{Call: "c_7f3k", Seq: math.MaxUint64}, true},
		{"c_7f3k/18446744073709551616", sse.ID{}, false},
		{"", sse.ID{}, false},
		{"c_7f3k", sse.ID{}, false},
		{"/1", sse.ID{}, false},
		{"c_7f3k/", sse.ID{}, false},
		{"c_7f3k/01", sse.ID{}, false},
		{"c_7f3k/+1", sse.ID{}, false},
		{"c_7f3k/-1", sse.ID{}, false},
		{"a/b/1", sse.ID{}, false},
		{"a\nb/1", sse.ID{}, false},
	}
	for _, tt := range tests {
		got, ok := sse.ParseID(tt.text)
		if got != tt.want || ok != tt.ok {
			t.Errorf("ParseID(%q) = %v, %v, want %v, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

// TestEventsArrive is the law of the format: whatever is written, a client
// that follows the standard gets the same events, in order, and no others.
func TestEventsArrive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want []received
		for i := range rapid.IntRange(0, 5).Draw(t, "events") {
			if rapid.Bool().Draw(t, "comment") {
				stream = sse.AppendComment(stream, rapid.String().Draw(t, "text"))
			}
			e := sse.Event{
				Name: rapid.SampledFrom([]string{"", "progress", "result"}).Draw(t, "name"),
				ID:   sse.ID{Call: "c_1", Seq: uint64(i)},
				Data: []byte(rapid.StringOfN(rapid.RuneFrom([]rune("a\r\n: {}é")), 0, 12, -1).Draw(t, "data")),
			}
			stream = e.Append(stream)
			want = append(want, received{e.Name, string(e.ID.Append(nil)), lineFeeds(e.Data)})
		}
		got := receive(stream)
		if len(got) != len(want) {
			t.Fatalf("%q: got %d events, want %d", stream, len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%q: event %d = %q, want %q", stream, i, got[i], want[i])
			}
		}
	})
}

// received is an event as a client sees it.
type received struct{ name, id, data string }

// receive reads a stream as section 9.2.6 of the standard says.
func receive(stream []byte) []received {
	var events []received
	var e received
	var data []string
	for line := range strings.SplitSeq(lineFeeds(stream), "\n") {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			data = append(data, value)
		}
		if line == "" && data != nil {
			e.data = strings.Join(data, "\n")
			events = append(events, e)
			e, data = received{id: e.id}, nil
		}
	}
	return events
}

func lineFeeds(b []byte) string {
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return string(bytes.ReplaceAll(b, []byte("\r"), []byte("\n")))
}

func BenchmarkEventAppend(b *testing.B) {
	e := sse.Event{Name: "progress", ID: sse.ID{Call: "c_7f3k", Seq: 12345}, Data: []byte(`{"args":[12345]}`)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = e.Append(buf[:0])
	}
}
