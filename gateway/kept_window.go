package gateway

import (
	"bytes"

	"github.com/wampgate/wampgate/gateway/problem"
)

// A window holds the latest events of a call for clients that want to read
// them again. Its events are numbered from 1 on, without gaps; 0 is what an
// event stream begins with. Whoever has it guards it.
type window struct {
	maxEvents int
	maxBytes  int

	events []windowEvent
	first  uint64 // the number of events[0], or of the event to come
	bytes  int    // of events
	ended  bool   // the last of events is the final one
}

// A windowEvent is an event with a payload of its own, which nobody changes.
type windowEvent struct {
	event
	failure *problem.Problem // in place of a payload, if the call ended so
}

// size is what an event counts for.
func (e *windowEvent) size() int {
	n := len(e.payload.Args) + len(e.payload.Kwargs)
	if e.failure != nil {
		n += len(e.failure.Args) + len(e.failure.Kwargs)
	}
	return n
}

// last is the number of the latest event, 0 before there is one.
func (w *window) last() uint64 { return w.first + uint64(len(w.events)) - 1 }

// fits reports whether an event that large can be added without dropping one.
// An event that is larger than the window fits into an empty one.
func (w *window) fits(size int) bool {
	return len(w.events) == 0 || len(w.events) < w.maxEvents && w.bytes+size <= w.maxBytes
}

// add appends a copy of an event, for which the oldest make room. For the final
// event nothing has to go, so that nobody misses the one before it.
func (w *window) add(e event, failure *problem.Problem) {
	added := windowEvent{event: e, failure: failure}
	for !e.kind.final() && !w.fits(added.size()) {
		w.bytes -= w.events[0].size()
		w.events[0] = windowEvent{}
		w.events = w.events[1:]
		w.first++
	}
	added.payload.Args = bytes.Clone(e.payload.Args)
	added.payload.Kwargs = bytes.Clone(e.payload.Kwargs)
	w.events = append(w.events, added)
	w.bytes += added.size()
	w.ended = e.kind.final()
}

// at returns event number n; ok is false if it was dropped or is yet to come.
func (w *window) at(n uint64) (e windowEvent, ok bool) {
	if n < w.first || n > w.last() {
		return windowEvent{}, false
	}
	return w.events[n-w.first], true
}
