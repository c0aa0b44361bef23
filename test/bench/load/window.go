package load

import "time"

// A window holds the calls in flight of a session. Request ids count up by
// one, so it is a ring, which grows when an old call is overtaken.
type window struct {
	ring []slot // its length is a power of two
	last uint64 // id of the last call
	open int
}

type slot struct {
	id   uint64 // 0 if there is no call
	sent time.Duration
	part int // progressive results so far
}

// add opens a call and returns its id.
func (w *window) add(now time.Duration) uint64 {
	w.last++
	if len(w.ring) == 0 {
		w.ring = make([]slot, 64)
	}
	for w.at(w.last).id != 0 {
		w.grow()
	}
	*w.at(w.last) = slot{id: w.last, sent: now}
	w.open++
	return w.last
}

func (w *window) at(id uint64) *slot { return &w.ring[id&uint64(len(w.ring)-1)] }

func (w *window) grow() {
	old := w.ring
	w.ring = make([]slot, 2*len(old))
	for _, s := range old {
		if s.id != 0 {
			*w.at(s.id) = s
		}
	}
}

// find returns the call of an id, or nil if it is not open.
func (w *window) find(id uint64) *slot {
	if len(w.ring) == 0 {
		return nil
	}
	if s := w.at(id); s.id == id && id != 0 {
		return s
	}
	return nil
}

// remove ends a call.
func (w *window) remove(s *slot) {
	s.id = 0
	w.open--
}
