// Package shard divides keys among the members of a group: by hashing
// ([Table]) or by intervals ([Ranges]).
//
// Who owns a key is a function of the key and of the set of members, in which
// each has a name that outlives its sessions: wherever the same members are
// known, in whatever order they came, the same one owns a key, and nobody has
// to ask anybody.
//
// The package does no I/O, starts no goroutine, takes no lock and reads no
// clock.
package shard
