package durable

import (
	"bytes"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// FuzzEntries reads batches: what can be read is written as it was.
func FuzzEntries(f *testing.F) {
	batch := make([]byte, batchHeader)
	f.Add(batch)
	e := entry{kindCall, []byte(`{"id":"a"}`), wamp.Payload{Args: []byte("[1]"), Kwargs: []byte{}}}
	f.Add(e.append(batch))
	f.Add(append(e.append(batch), 'o', 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		var again []byte
		sizes := 0
		err := entries(data, func(_ int, e entry) error {
			again = e.append(again)
			sizes += e.size()
			return nil
		})
		if err != nil {
			return
		}
		if len(again) > sizes {
			t.Errorf("%d bytes, said to be at most %d", len(again), sizes)
		}
		var third []byte
		if err := entries(append(make([]byte, batchHeader), again...), func(_ int, e entry) error { third = e.append(third); return nil }); err != nil || !bytes.Equal(third, again) {
			t.Errorf("written again: %v, %q, want %q", err, third, again)
		}
	})
}

// FuzzID checks ids: those that are taken can stand in a header, a URL and a
// line of the log.
func FuzzID(f *testing.F) {
	for _, id := range []string{"", "order-17", "a b", "é", "\x7f", newID()} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if checkID(id) != "" {
			return
		}
		if len(id) > maxID {
			t.Errorf("%d bytes", len(id))
		}
		for _, b := range []byte(id) {
			if b <= ' ' || b >= 0x7f {
				t.Errorf("%q holds %#x", id, b)
			}
		}
		r := record{name: name{Realm: realm, ID: id}}
		e, err := newEntry(kindCall, &r, wamp.Payload{})
		if err != nil {
			t.Fatal(err)
		}
		if back, err := readHeader[record](e); err != nil || back.ID != id {
			t.Errorf("%q is read as %+v, %v", id, back, err)
		}
	})
}
