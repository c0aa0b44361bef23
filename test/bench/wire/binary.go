package wire

import "encoding/binary"

// A kind is what the binary formats have in common: each value begins with a
// head of a kind and a number.
type kind byte

const (
	kindNone  kind = iota
	kindUint       // the number
	kindText       // so many bytes follow
	kindList       // so many values follow
	kindDict       // twice as many values follow
	kindBool       // 0 or 1
	kindOther      // so many bytes follow
)

// A binaryFormat is a Serializer made of functions for heads.
type binaryFormat struct {
	name string
	take func(b []byte) (k kind, n uint64, rest []byte)
	put  func(d []byte, k kind, n uint64) []byte
}

func (f binaryFormat) Name() string        { return f.name }
func (f binaryFormat) Opcode() byte        { return OpBinary }
func (f binaryFormat) End(d []byte) []byte { return d }

func (f binaryFormat) Open(d []byte, n int) []byte    { return f.put(d, kindList, uint64(n)) }
func (f binaryFormat) Uint(d []byte, v uint64) []byte { return f.put(d, kindUint, v) }

func (f binaryFormat) Text(d []byte, s string) []byte {
	return append(f.put(d, kindText, uint64(len(s))), s...)
}

func (f binaryFormat) Flag(d []byte, key string) []byte {
	if key == "" {
		return f.put(d, kindDict, 0)
	}
	return f.put(f.Text(f.put(d, kindDict, 1), key), kindBool, 1)
}

func (f binaryFormat) Value(d []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return f.Text(d, v)
	case uint64:
		return f.Uint(d, v)
	case bool:
		if v {
			return f.put(d, kindBool, 1)
		}
		return f.put(d, kindBool, 0)
	case []string:
		d = f.put(d, kindList, uint64(len(v)))
		for _, s := range v {
			d = f.Text(d, s)
		}
	case map[string]any:
		d = f.put(d, kindDict, uint64(len(v)))
		for key, value := range v {
			d = f.Value(f.Text(d, key), value)
		}
	}
	return d
}

func (f binaryFormat) TakeList(b []byte) (int, []byte, bool) {
	k, n, rest := f.take(b)
	return int(n), rest, k == kindList
}

func (f binaryFormat) TakeUint(b []byte) (uint64, []byte, bool) {
	k, n, rest := f.take(b)
	return n, rest, k == kindUint
}

func (f binaryFormat) TakeText(b []byte) (s, rest []byte, ok bool) {
	k, n, rest := f.take(b)
	if k != kindText || n > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

func (f binaryFormat) Skip(b []byte) ([]byte, bool) {
	for todo := uint64(1); todo > 0; todo-- {
		k, n, rest := f.take(b)
		switch k {
		case kindNone:
			return nil, false
		case kindList:
			todo += n
		case kindDict:
			todo += 2 * n
		case kindText, kindOther:
			if n > uint64(len(rest)) {
				return nil, false
			}
			rest = rest[n:]
		case kindUint, kindBool:
		}
		b = rest
	}
	return b, true
}

// number takes a big-endian number of width bytes; ok is false if b is short.
func number(b []byte, width int) (n uint64, rest []byte, ok bool) {
	if len(b) < width {
		return 0, nil, false
	}
	return bigEndian(b[:width]), b[width:], true
}

// appendNumber appends n with the given number of bytes.
func appendNumber(d []byte, n uint64, width int) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return append(d, b[8-width:]...)
}
