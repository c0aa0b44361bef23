package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The bounds of lateIDs.
const (
	lateGrace = time.Minute
	lateLimit = 1024 // per session
)

// lateIDs remembers the ids of calls that ended while their caller was still
// sending chunks. The chunks that were under way are swallowed: they must
// neither be answered again nor be taken for new calls (spec, section
// "Progressive Call Invocations"). An id is remembered until the last chunk
// arrives, for a minute, or until lateLimit newer ones came. The zero lateIDs
// is empty.
type lateIDs struct {
	until map[wamp.ID]time.Time
	queue []lateID // oldest first; an entry that until contradicts is void
}

type lateID struct {
	id    wamp.ID
	until time.Time
}

func (l *lateIDs) add(now time.Time, id wamp.ID) {
	if l.until == nil {
		l.until = make(map[wamp.ID]time.Time)
	}
	for len(l.queue) > 0 && (len(l.queue) >= lateLimit || !now.Before(l.queue[0].until)) {
		if oldest := l.queue[0]; l.until[oldest.id].Equal(oldest.until) {
			delete(l.until, oldest.id)
		}
		l.queue = l.queue[1:]
	}
	l.until[id] = now.Add(lateGrace)
	l.queue = append(l.queue, lateID{id, now.Add(lateGrace)})
}

// swallows reports whether m is a chunk that came too late.
func (l *lateIDs) swallows(now time.Time, m *wamp.Call) bool {
	until, ok := l.until[m.Request]
	if !ok || !now.Before(until) {
		return false
	}
	if !m.Options.Progress {
		delete(l.until, m.Request)
	}
	return true
}
