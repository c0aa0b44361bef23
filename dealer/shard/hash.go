package shard

// Slots is how many slots the keys of a hash group fall into. A slot is what
// moves from one member to another.
const Slots = 1 << 14

// SlotOf returns the slot of a key, from 0 to Slots-1.
func SlotOf(key string) int { return int(hash(key) & (Slots - 1)) }

// hash is FNV-1a with 64 bits, whose weak low bits a finalizer makes up for.
func hash(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return mix(h)
}

// mix is the finalizer of MurmurHash3: each bit of x changes each bit of the
// result with a probability of one half.
func mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
