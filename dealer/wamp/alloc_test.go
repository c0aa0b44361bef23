//go:build !race

package wamp_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestRelayAllocatesNothing decodes and writes what passes through the dealer
// when a call is relayed. The test may not run beside others: AllocsPerRun
// counts for the whole process.
func TestRelayAllocatesNothing(t *testing.T) { //nolint:paralleltest // see above
	for _, s := range serializers() {
		d := wamp.NewDecoder(s)
		buf := make([]byte, 0, 128<<10)
		for _, frame := range relayed(t, s, 1<<10) {
			n := testing.AllocsPerRun(100, func() {
				m, err := d.Decode(frame)
				if err != nil {
					t.Fatal(err)
				}
				if buf, err = s.Append(buf[:0], m); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%v: %.40q: %v allocations, want 0", s, frame, n)
			}
		}
	}
}

func TestTranscodeAllocatesNothing(t *testing.T) { //nolint:paralleltest // as above
	buf := make([]byte, 0, 128<<10)
	for _, from := range serializers() {
		value := sample(t, from, 4<<10)
		for _, to := range serializers() {
			n := testing.AllocsPerRun(100, func() {
				if _, err := wamp.Transcode(buf, to, value, from); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("Transcode(%v, …, %v): %v allocations, want 0", to, from, n)
			}
		}
	}
}

// TestClaimedLengthsAllocateNothing: a length that a message claims is believed
// only as far as the message reaches.
func TestClaimedLengthsAllocateNothing(t *testing.T) { //nolint:paralleltest // as above
	tests := map[wamp.Serializer][]string{
		wamp.MsgPack: {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\x94\x30\x01\x80\xdb\xff\xff\xff\xff"},
		wamp.CBOR:    {"\x9b\x00\x00\x00\xff\xff\xff\xff\xff", "\xbb\x7f\xff\xff\xff\xff\xff\xff\xff", "\x7b\x00\x00\x00\xff\xff\xff\xff\xff", "\x84\x18\x30\x01\xa0\x7a\xff\xff\xff\xff"},
	}
	for s, list := range tests {
		for _, frame := range list {
			padded := []byte(frame + strings.Repeat("\x01", 100))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := wamp.NewDecoder(s).Decode([]byte(frame))
			_, errValue := s.Value(padded)
			runtime.ReadMemStats(&after)
			if err == nil || errValue == nil {
				t.Errorf("%v: Decode(%q) = %v, Value = %v, want errors", s, frame, err, errValue)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
				t.Errorf("%v: refusing %q allocates %d bytes, want at most 64 KiB", s, frame, got)
			}
		}
	}
}

// TestDecoderForgets: a client that makes up procedures does not fill the
// memory, nor does one with long options.
func TestDecoderForgets(t *testing.T) { //nolint:paralleltest // as above
	decoders := make([]*wamp.Decoder, 10)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range decoders {
		decoders[i] = wamp.NewDecoder(wamp.JSON)
		for n := range 5000 {
			frame := fmt.Appendf(nil, `[48,1,{},"com.example.%0100d"]`, n)
			if _, err := decoders[i].Decode(frame); err != nil {
				t.Fatal(err)
			}
		}
		for _, frame := range []string{`[49,1,{"mode":"` + strings.Repeat(`\n`, 1<<20) + `"}]`, `[49,1,{}]`} {
			if _, err := decoders[i].Decode([]byte(frame)); err != nil {
				t.Fatal(err)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / int64(len(decoders)); got > 200<<10 {
		t.Errorf("a decoder keeps %d bytes, want at most 200 KiB", got)
	}
	runtime.KeepAlive(decoders)
}
