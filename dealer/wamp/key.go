package wamp

import (
	"math"
	"strconv"
	"strings"
)

// A Key is a routing key of a sharded call ("rkey") in its canonical form: a
// letter for its type, s for a string, n for a number, b for bytes, and then
// the value, numbers in decimal. So 7 and "7" are two keys, while 7 and 7.0,
// which JavaScript cannot tell apart, are one. The zero Key means that there
// is none; the empty string is a key.
type Key string

// MaxKey is the longest string or byte string, in bytes, that is taken as a
// routing key.
const MaxKey = 1024

// StringKey returns the key that stands for s.
func StringKey(s string) Key { return Key("s" + s) }

// KeyOf returns the key that stands for a decoded value as described at
// [Dict], or for a uint64; false if it is something else or no finite number.
func KeyOf(v any) (Key, bool) {
	switch v := v.(type) {
	case string:
		return StringKey(v), true
	case []byte:
		return Key("b" + string(v)), true
	case int64:
		return Key("n" + strconv.FormatInt(v, 10)), true
	case uint64:
		return Key("n" + strconv.FormatUint(v, 10)), true
	case float64:
		return floatKey(v)
	}
	return "", false
}

// floatKey returns the key of an integer if v is one that fits.
func floatKey(v float64) (Key, bool) {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "", false
	case v == math.Trunc(v) && v >= math.MinInt64 && v < math.MaxInt64:
		return KeyOf(int64(v))
	case v == math.Trunc(v) && v > 0 && v < math.MaxUint64:
		return KeyOf(uint64(v))
	}
	return Key("n" + strconv.FormatFloat(v, 'g', -1, 64)), true
}

// Value returns what the key stands for: a string, []byte, int64, uint64 or
// float64, or nil if there is no key.
func (k Key) Value() any {
	if k == "" {
		return nil
	}
	text := string(k[1:])
	switch k[0] {
	case 's':
		return text
	case 'b':
		return []byte(text)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	f, _ := strconv.ParseFloat(text, 64) // a key is made of a number only
	return f
}

// String returns the key for people: as JSON would have it, shortened if it is
// a long one.
func (k Key) String() string {
	const limit = 64
	if k == "" {
		return "none"
	}
	text := string(k[1:])
	if k[0] == 'n' {
		return text
	}
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return strconv.Quote(text)
}

// key reads a routing key: a string, a number or bytes.
func (c *codec) key(what string, k *Key) {
	var t token
	c.in.scan(&t)
	if c.in.err != nil || t.kind == KindNull {
		return
	}
	var ok bool
	switch t.kind {
	case KindNumber:
		*k, ok = t.key()
	case KindString:
		*k, ok = StringKey(string(c.in.plain(&t))), true
	case KindBytes:
		*k, ok = Key("b"+string(c.in.appendBinary(nil, &t))), true
	}
	switch {
	case c.in.err != nil:
	case !ok:
		c.in.fail(t.offset, "%s must be a string, a finite number or bytes", what)
	case len(*k) > 1+MaxKey:
		c.in.fail(t.offset, "%s is longer than %d bytes", what, MaxKey)
	}
}

// key returns the key of a number. Integers beyond 64 bits are rounded.
func (t *token) key() (Key, bool) {
	if t.number == numberUint {
		return KeyOf(t.bits)
	}
	return KeyOf(t.value())
}

// writeKey writes the entry of a key unless it has none.
func (w *writer) writeKey(name string, k Key) {
	if k == "" {
		return
	}
	w.key(name)
	w.any(k.Value(), 2)
}
