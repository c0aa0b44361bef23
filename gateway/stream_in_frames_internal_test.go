package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// cutReader gives out its bytes in pieces of given sizes, over and over.
type cutReader struct {
	data  []byte
	sizes []byte // 0 stands for all that is left
	next  int
}

func (r *cutReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := len(r.data)
	if len(r.sizes) > 0 {
		if size := int(r.sizes[r.next%len(r.sizes)]); size > 0 {
			n = min(n, size)
		}
		r.next++
	}
	n = copy(p, r.data[:n])
	r.data = r.data[n:]
	return n, nil
}

// frames cuts data and returns the payloads, in JSON where that exists.
func frames(q *request, limit int, data, sizes []byte) ([]string, error) {
	var got []string
	body := newUploadBody(&cutReader{data: data, sizes: sizes}, func(error) {})
	err := newFramer(q, limit).read(body, func(p wamp.Payload) error {
		asJSON, err := p.Transcode(wamp.JSON)
		if err != nil {
			asJSON = p // no form in JSON
		}
		got = append(got, string(asJSON.Args)+string(asJSON.Kwargs))
		return nil
	})
	return got, err
}

func TestFrames(t *testing.T) {
	t.Parallel()
	const limit = 16
	tests := []struct {
		name string
		in   framing
		body string
		want []string
		err  string // part of it
	}{
		{"ndjson", framingNDJSON, "[1]\n{\"a\":2}\n3\n", []string{`[1]`, `{"a":2}`, `[3]`}, ""},
		{"ndjson, empty", framingNDJSON, "", nil, ""},
		{"ndjson, no last LF", framingNDJSON, "[1]\n[2]", []string{`[1]`, `[2]`}, ""},
		{"ndjson, CR LF and blanks", framingNDJSON, "[1]\r\n\r\n \t\n[2]\r\n", []string{`[1]`, `[2]`}, ""},
		{"ndjson, broken", framingNDJSON, "[1]\n[2\n[3]\n", []string{`[1]`}, "frame 2: "},
		{"ndjson, two values", framingNDJSON, "[1] [2]\n", nil, "frame 1: "},
		{"ndjson, at the limit", framingNDJSON, "\"" + strings.Repeat("x", limit-2) + "\"\r\n", []string{`["` + strings.Repeat("x", limit-2) + `"]`}, ""},
		{"ndjson, over the limit", framingNDJSON, "\"" + strings.Repeat("x", limit-1) + "\"\n", nil, "frame 1: it is larger than 16 bytes"},
		{"ndjson, endless", framingNDJSON, "1\n" + strings.Repeat("x", 1000), []string{`[1]`}, "frame 2: it is larger than 16 bytes"},

		{"lines", framingLines, "a\n\nb\r\nc", []string{`["a"]`, `[""]`, `["b"]`, `["c"]`}, ""},
		{"lines, no UTF-8", framingLines, "a\n\xff\n", []string{`["a"]`}, "frame 2: it is not valid UTF-8"},
		{"lines, quotes", framingLines, `say "hi"`, []string{`["say \"hi\""]`}, ""},

		{"json-seq", framingJSONSeq, "\x1e[1]\n\x1e2\n", []string{`[1]`, `[2]`}, ""},
		{"json-seq, pretty", framingJSONSeq, "\x1e{\n\"a\":\n[1]}\n", []string{"{\n\"a\":\n[1]}"}, ""},
		{"json-seq, brackets in text", framingJSONSeq, "\x1e\"]}\\\"[\"\n\x1e1\n", []string{`["]}\"["]`, `[1]`}, ""},
		{"json-seq, leading space", framingJSONSeq, "\x1e\n 1\n", []string{`[1]`}, ""},
		{"json-seq, empty records", framingJSONSeq, "\x1e\x1e\x1e1\n\x1e", []string{`[1]`}, ""},
		{"json-seq, no last LF", framingJSONSeq, "\x1e1\n\x1e[2]", []string{`[1]`, `[2]`}, ""},
		{"json-seq, cut number", framingJSONSeq, "\x1e1\n\x1e2", []string{`[1]`}, "frame 2: it is cut off"},
		{"json-seq, cut list", framingJSONSeq, "\x1e1\n\x1e[2", []string{`[1]`}, "frame 2: it is cut off"},
		{"json-seq, cut by the next", framingJSONSeq, "\x1e[1\x1e2\n", nil, "frame 1: it is cut off"},
		{"json-seq, cut inside text", framingJSONSeq, "\x1e\"a\x1e2\n", nil, "frame 1: it is cut off"},
		{"json-seq, no RS", framingJSONSeq, "[1]\n", nil, "frame 1: a record must begin"},
		{"json-seq, no second RS", framingJSONSeq, "\x1e[1]\n[2]\n", []string{`[1]`}, "frame 2: a record must begin"},
		{"json-seq, endless", framingJSONSeq, "\x1e" + strings.Repeat("[", 1000), nil, "frame 1: it is larger"},

		{"msgpack", framingMsgPack, "\x91\x01\x81\xa1a\x02\x03", []string{`[1]`, `{"a":2}`, `[3]`}, ""},
		{"msgpack, nested", framingMsgPack, "\x92\x91\x90\x81\xa1a\xc4\x01\xff\xc0", []string{`[[[]],{"a":"\u0000/w=="}]`, `[null]`}, ""},
		{"msgpack, all heads", framingMsgPack, "\xcc\x01\xcd\x01\x00\xce\x00\x01\x00\x00\xd0\xff\xd9\x01a\xdc\x00\x01\x02\xde\x00\x00", []string{`[1]`, `[256]`, `[65536]`, `[-1]`, `["a"]`, `[2]`, `{}`}, ""},
		{"msgpack, cut", framingMsgPack, "\x01\x92\x01", []string{`[1]`}, "frame 2: it is cut off"},
		{"msgpack, cut head", framingMsgPack, "\x01\xda\x00", []string{`[1]`}, "frame 2: it is cut off"},
		{"msgpack, too long", framingMsgPack, "\x01\xdb\xff\xff\xff\xff", []string{`[1]`}, "frame 2: it is larger"},
		{"msgpack, too many", framingMsgPack, "\xdd\xff\xff\xff\xff", nil, "frame 1: it is larger"},
		{"msgpack, never used", framingMsgPack, "\xc1", nil, "frame 1: "},
		{"msgpack, adding up", framingMsgPack, "\x9f" + strings.Repeat("\xa1a", 15), nil, "frame 1: it is larger"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, sizes := range [][]byte{nil, {1}, {2, 3}} {
				got, err := frames(&request{in: tt.in}, limit, []byte(tt.body), sizes)
				if !slices.Equal(got, tt.want) {
					t.Errorf("in pieces of %v: got %q, want %q", sizes, got, tt.want)
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("in pieces of %v: error %v, want %q", sizes, err, tt.err)
				}
			}
		})
	}
}

func TestEnvelopeFrames(t *testing.T) {
	t.Parallel()
	q := &request{in: framingNDJSON, options: options{envelope: true}}
	got, err := frames(q, 100, []byte(`{"args":[1],"kwargs":{"a":2}}`+"\n"+`{"other":1}`), nil)
	if want := []string{`[1]{"a":2}`}; !slices.Equal(got, want) || err == nil {
		t.Errorf("got %q, %v, want %q and an error", got, err, want)
	}
}

func TestChunks(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 64, 1000} {
		for _, sizes := range [][]byte{nil, {1}, {3, 200}} {
			data := bytes.Repeat([]byte("0123456789"), 50)
			var got []byte
			last := 0
			body := newUploadBody(&cutReader{data: data, sizes: sizes}, func(error) {})
			q := &request{in: framingChunks, options: options{chunk: size}}
			err := newFramer(q, 0).read(body, func(p wamp.Payload) error {
				chunk, err := appendRaw(nil, p)
				got, last = append(got, chunk...), len(chunk)
				if len(chunk) > size || len(chunk) == 0 {
					t.Errorf("a chunk has %d bytes, want 1 to %d", len(chunk), size)
				}
				return err
			})
			if err != nil || !bytes.Equal(got, data) || last == 0 {
				t.Errorf("chunks of %d: %d bytes, %v, want %d as they were", size, len(got), err, len(data))
			}
		}
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	const file = "--b\r\nContent-Disposition: form-data; name=f; filename=\"x.bin\"\r\nContent-Type: image/png\r\n\r\n0123456789\r\n"
	const field = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n"
	head := func(name, filename, media string) string {
		return fmt.Sprintf(`{"content_type":%q,"filename":%q,"name":%q}`, media, filename, name)
	}
	files := []string{head("f", "x.bin", "image/png"), `["\u0000MDEyMzQ1Njc="]`, `["\u0000ODk="]`}
	tests := []struct {
		name, body string
		want       []string
		err        string
	}{
		{"a file and a field", "preamble\r\n" + file + field + "--b--\r\nepilogue", append(slices.Clone(files), head("a", "", ""), `["\u0000dg=="]`), ""},
		{"no parts", "--b--\r\n", nil, ""},
		{"no end", file, files[:2], "frame 1: "},
		{"cut inside", file[:len(file)-4], files[:2], "frame 1: "},
		{"no multipart", "hello", nil, "frame 1: "},
		{"endless head", "--b\r\nX: " + strings.Repeat("x", 1<<20), nil, "frame 1: the head of the part is too long"},
		{"endless epilogue", "--b--\r\n" + strings.Repeat("x", 1<<20), nil, "frame 1: the head of the part is too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := &request{in: framingChunks, options: options{chunk: 8}, body: mediaType{body: bodyMultipart, boundary: "b"}}
			got, err := frames(q, 100, []byte(tt.body), nil)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// FuzzFrames: however a body is cut into reads, its frames are the same; no
// frame is larger than allowed; what is wrong is a problem of the client's.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		"[1]\n{\"a\":2}\r\n\n3", "\x1e[1]\n\x1e{\n\"a\":\"\\\"]\"}\n\x1e3\n", "\x91\x01\x81\xa1a\x02\xdb\x00\x00\x00\x01x",
		"--b\r\nContent-Disposition: form-data; name=f\r\n\r\n123\r\n--b--\r\n",
	} {
		for in := framingNDJSON; in <= framingChunks; in++ {
			f.Add(uint8(in), []byte(seed), []byte{1, 3, 0})
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, data, sizes []byte) {
		const limit = 64
		in := framingNDJSON + framing(kind)%(framingChunks-framingNDJSON+1)
		q := &request{in: in, options: options{chunk: 8}}
		if kind&0x80 != 0 {
			q.body = mediaType{body: bodyMultipart, boundary: "b"}
		}
		whole, wholeErr := frames(q, limit, data, nil)
		cut, cutErr := frames(q, limit, data, sizes)
		if p, ok := errors.AsType[*problem.Problem](wholeErr); wholeErr != nil && (!ok || p.Status != 400) {
			t.Fatalf("error %v, want a problem with status 400", wholeErr)
		}
		if in == framingChunks {
			return // their ends depend on time
		}
		if !slices.Equal(whole, cut) || fmt.Sprint(wholeErr) != fmt.Sprint(cutErr) {
			t.Fatalf("at once: %q, %v\nin pieces: %q, %v", whole, wholeErr, cut, cutErr)
		}
		for _, frame := range whole {
			if len(frame) > 6*limit+10 { // as JSON, where a byte may take six
				t.Fatalf("a frame has %d bytes", len(frame))
			}
		}
	})
}
