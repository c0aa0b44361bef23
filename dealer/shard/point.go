package shard

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
)

// A Point is a key of a kind that has an order, in a form whose bytes have that
// order. The empty Point comes before all others.
type Point string

// Number returns the point of an int64, uint64 or finite float64. The order is
// exact, also beyond 2^53: what the nearest float64 below leaves over of an
// integer follows it.
func Number(v any) (Point, bool) {
	var floor float64
	var rest uint64
	switch v := v.(type) {
	case int64:
		floor = floorOf(float64(v), func(f float64) bool { return f >= math.MaxInt64 || int64(f) > v })
		rest = uint64(v - int64(floor)) //nolint:gosec // floor is not above v
	case uint64:
		floor = floorOf(float64(v), func(f float64) bool { return f >= math.MaxUint64 || uint64(f) > v })
		rest = v - uint64(floor)
	case float64:
		floor = v
	default:
		return "", false
	}
	if math.IsNaN(floor) || math.IsInf(floor, 0) {
		return "", false
	}
	bits := math.Float64bits(floor + 0) // no -0
	if bits>>63 != 0 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	var b [10]byte
	binary.BigEndian.PutUint64(b[:8], bits)
	binary.BigEndian.PutUint16(b[8:], uint16(rest)) // less than 2^11, the distance of two floats below 2^64
	return Point(b[:]), true
}

// floorOf returns f, the float64 nearest to an integer, or the one before it
// if it is above the integer.
func floorOf(f float64, above func(float64) bool) float64 {
	if above(f) {
		return math.Nextafter(f, math.Inf(-1))
	}
	return f
}

// UUID returns the point of a UUID in one of its usual forms: 16 bytes, or 32
// hexadecimal digits of either case, with hyphens between 8, 4, 4, 4 and 12 of
// them or without.
func UUID(s string) (Point, bool) {
	if len(s) == 16 {
		return Point(s), true
	}
	digits := s
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		digits = strings.ReplaceAll(s, "-", "")
	}
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != 16 {
		return "", false
	}
	return Point(b), true
}
