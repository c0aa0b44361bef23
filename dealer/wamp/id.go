package wamp

// ID identifies a session, a registration or a request. Valid IDs run from 1
// to [MaxID]; 0 stands for "none" (spec, section "Identifiers").
type ID uint64

// MaxID is 2^53, the largest ID: every integer up to it has an exact float64.
const MaxID ID = 1 << 53

// Valid reports whether id lies between 1 and MaxID.
func (id ID) Valid() bool { return id >= 1 && id <= MaxID }

// Next returns the ID after id in a session-scoped sequence: MaxID is
// followed by 1.
func (id ID) Next() ID {
	if id >= MaxID {
		return 1
	}
	return id + 1
}
