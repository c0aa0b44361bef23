package engine

import (
	"encoding/binary"
	"slices"
	"testing"
)

// record returns a record with so many bytes of data.
func record(n int) []byte {
	b := make([]byte, recordHeader+4+n+recordChecksum)
	binary.LittleEndian.PutUint32(b, uint32(len(b))|headersBit)
	binary.LittleEndian.PutUint64(b[4:], 1)
	binary.LittleEndian.PutUint16(b[recordHeader-2:], 4)
	return b
}

func TestCheckBlock(t *testing.T) {
	t.Parallel()
	whole := slices.Concat(record(10), record(0), record(1000))
	first := len(record(10))
	flipped := func(at int) []byte {
		b := slices.Clone(whole)
		b[at] ^= 0xff
		return b
	}
	for name, tt := range map[string]struct {
		data   []byte
		at     int // of the damage; -1: none
		atLast int // in the last block
	}{
		"empty":            {nil, -1, -1},
		"whole":            {whole, -1, -1},
		"no record":        {make([]byte, 100), 0, -1},
		"zeros behind":     {append(slices.Clone(whole), make([]byte, 100)...), len(whole), -1},
		"torn":             {whole[:len(whole)-1], first + len(record(0)), -1},
		"torn header":      {whole[:first+5], first, -1},
		"length":           {flipped(first + 2), first, -1}, // like one that is torn
		"large length":     {flipped(first + 3), first, first},
		"small length":     {slices.Concat(whole[:first], []byte{5, 0, 0, 0}, whole[first+4:]), first, first},
		"subject":          {flipped(first + 21), first, first},
		"data is not seen": {flipped(first - 10), -1, -1},
	} {
		for _, last := range []bool{false, true} {
			want := tt.at
			if last {
				want = tt.atLast
			}
			at, ok := checkBlock(tt.data, last)
			if ok != (want < 0) || !ok && at != want {
				t.Errorf("%s, last %v: %d, %v, want %d", name, last, at, ok, want)
			}
		}
	}
}
