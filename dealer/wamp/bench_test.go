package wamp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

func serializers() []wamp.Serializer {
	return []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR}
}

// relayed returns frames of the messages that relaying a call decodes, with an
// argument of size bytes.
func relayed(tb testing.TB, s wamp.Serializer, size int) [][]byte {
	tb.Helper()
	payload := mustPayload(tb, s, []any{strings.Repeat("x", size)}, nil)
	var frames [][]byte
	for _, m := range []wamp.Message{
		&wamp.Call{Request: 123456, Procedure: "com.example.procedure", Payload: payload},
		&wamp.Yield{Request: 123456, Payload: payload},
		&wamp.Result{Request: 123456, Payload: payload},
		&wamp.Invocation{Request: 123456, Registration: 12, Details: wamp.InvocationDetails{Procedure: "com.example.procedure"}, Payload: payload},
		&wamp.Error{RequestType: wamp.TypeInvocation, Request: 123456, Error: "com.example.failed", Payload: payload},
		&wamp.Call{Request: 7, Procedure: "com.example.other", Payload: payload, Options: wamp.CallOptions{Timeout: 5000, ReceiveProgress: true, Progress: true, DiscloseMe: true}},
		&wamp.Yield{Request: 7, Options: wamp.YieldOptions{Progress: true}, Payload: payload},
		&wamp.Cancel{Request: 7, Mode: wamp.CancelKill},
		&wamp.Interrupt{Request: 7, Mode: wamp.CancelKill, Reason: wamp.ErrCanceled},
	} {
		frames = append(frames, mustAppend(tb, s, m))
	}
	return frames
}

func mustPayload(tb testing.TB, s wamp.Serializer, args []any, kwargs wamp.Dict) wamp.Payload {
	tb.Helper()
	p, err := wamp.NewPayload(s, args, kwargs)
	if err != nil {
		tb.Fatalf("NewPayload(%v, %v, %v): %v", s, args, kwargs, err)
	}
	return p
}

func mustAppend(tb testing.TB, s wamp.Serializer, m wamp.Message) []byte {
	tb.Helper()
	b, err := s.Append(nil, m)
	if err != nil {
		tb.Fatalf("%v.Append(%#v): %v", s, m, err)
	}
	return b
}

// BenchmarkRelay decodes a CALL and writes it again, which is what the
// serializers have to do with each message that is relayed.
func BenchmarkRelay(b *testing.B) {
	for _, s := range serializers() {
		for _, size := range []int{16, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%v/%d", s, size), func(b *testing.B) {
				frame := relayed(b, s, size)[0]
				d := wamp.NewDecoder(s)
				buf := make([]byte, 0, 2*len(frame))
				b.SetBytes(int64(len(frame)))
				b.ReportAllocs()
				for b.Loop() {
					m, err := d.Decode(frame)
					if err != nil {
						b.Fatal(err)
					}
					if buf, err = s.Append(buf[:0], m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, s := range serializers() {
		for _, frame := range relayed(b, s, 16) {
			m, err := wamp.NewDecoder(s).Decode(frame)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%v/%v", s, m.Type()), func(b *testing.B) {
				d := wamp.NewDecoder(s)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Decode(frame); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, s := range serializers() {
		for _, frame := range relayed(b, s, 16) {
			m, err := wamp.NewDecoder(s).Decode(frame)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%v/%v", s, m.Type()), func(b *testing.B) {
				buf := make([]byte, 0, 1<<10)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Append(buf, m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkTranscode transcodes a list of small values of all kinds, about
// size bytes in JSON.
func BenchmarkTranscode(b *testing.B) {
	for _, from := range serializers() {
		for _, to := range serializers() {
			if from == to {
				continue
			}
			for _, size := range []int{16, 1 << 10, 64 << 10} {
				b.Run(fmt.Sprintf("%v-%v/%d", from, to, size), func(b *testing.B) {
					value := sample(b, from, size)
					buf := make([]byte, 0, 4*len(value)+64)
					b.SetBytes(int64(len(value)))
					b.ReportAllocs()
					for b.Loop() {
						if _, err := wamp.Transcode(buf, to, value, from); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// sample returns a list of values of all kinds of about size bytes.
func sample(tb testing.TB, s wamp.Serializer, size int) []byte {
	tb.Helper()
	list := []any{}
	for n := 0; n < size; n += 95 {
		list = append(list, wamp.Dict{"id": 1234567 + n, "name": "a name of some length", "price": 12.5, "tags": []any{"x", "y", nil, true}, "blob": []byte("0123456789")})
	}
	if size < 95 {
		list = []any{"0123456789", 3}
	}
	b, err := s.AppendValue(nil, list)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// BenchmarkValid checks values as they come in HTTP bodies.
func BenchmarkValid(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		value := sample(b, wamp.JSON, size)
		for name, valid := range map[string]func([]byte) error{"Valid": wamp.JSON.Valid, "ValidStrict": wamp.JSON.ValidStrict} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(value)))
				b.ReportAllocs()
				for b.Loop() {
					if err := valid(value); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
