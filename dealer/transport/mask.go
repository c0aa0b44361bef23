package transport

import (
	"encoding/binary"
	"math/bits"
)

// unmask takes a frame's mask off b (RFC 6455, section 5.3). The key's lowest
// byte belongs to b's first one. It returns the key for what follows on b.
func unmask(b []byte, key uint32) uint32 {
	if key == 0 {
		return 0
	}
	word := uint64(key)<<32 | uint64(key)
	for len(b) >= 32 {
		v := b[:32]
		binary.LittleEndian.PutUint64(v, binary.LittleEndian.Uint64(v)^word)
		binary.LittleEndian.PutUint64(v[8:], binary.LittleEndian.Uint64(v[8:])^word)
		binary.LittleEndian.PutUint64(v[16:], binary.LittleEndian.Uint64(v[16:])^word)
		binary.LittleEndian.PutUint64(v[24:], binary.LittleEndian.Uint64(v[24:])^word)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^word)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key) //nolint:gosec // the lowest one
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
