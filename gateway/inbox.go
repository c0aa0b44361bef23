package gateway

import (
	"sync"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// An event is one thing that the dealer says about a call.
type event struct {
	kind    eventKind
	payload wamp.Payload // aliases the inbox: valid until the call's next poll or next

	// Of a failure:
	uri    wamp.URI
	origin wamp.Origin
	killed bool // by an administrator

	served wamp.Served // by whom; zero if that is not known

	notes *notes // beside the payload; nil if there are none
}

// An eventKind says whether an event ends its call.
type eventKind uint8

const (
	eventAcknowledged eventKind = 1 + iota // the callee has received the call; more follow
	eventProgress                          // more follow
	eventResult                            // the last one
	eventFailure                           // the last one
)

// final reports whether no event can follow.
func (k eventKind) final() bool { return k >= eventResult }

// An inbox holds what the dealer said about one call until the goroutine that
// serves the call takes it. It is bounded in events and bytes; it refuses
// what comes after a final event and what comes when it is full.
//
// It has one producer at a time (the realm's lock is held) and one consumer.
// Events are copied into one growing buffer and handed out in batches: two
// buffers are swapped, so that a long stream allocates nothing per event.
type inbox struct {
	ready     chan struct{} // holds a token when there is something to poll
	maxEvents int
	maxBytes  int
	latest    bool // when full, forget what waits for the sake of what comes

	mu       sync.Mutex // guards the following fields
	filling  batch
	events   int           // queued and not yet polled
	bytes    int           // of those
	err      error         // why nothing more is taken, other than a final event
	closed   bool          // a final event was taken
	held     bool          // poll says nothing: a CANCEL is on its way
	drained  bool          // poll says what came of it
	discard  bool          // keep the kind and the URI of a final event, drop all else
	crowded  chan struct{} // not nil when somebody waits for room
	hopeless bool          // somebody waited in vain

	reading batch // owned by the consumer
	at      int   // owned by the consumer
	skipped int   // events, to have the latest; owned by the producer
}

// A batch is a run of events and the bytes of their payloads.
type batch struct {
	events []stored
	data   []byte
}

// stored is an event whose payload lies in its batch's data.
type stored struct {
	event
	args, end       int // payload: data[start of this event:args:end]
	hasArgs, hasKws bool
}

// keptBytes is the largest buffer that an inbox keeps for its next call.
const keptBytes = 256 << 10

func newInbox(maxEvents, maxBytes int) inbox {
	return inbox{ready: make(chan struct{}, 1), maxEvents: maxEvents, maxBytes: maxBytes}
}

// put copies an event into the inbox. It reports false when the event was not
// taken because the inbox is full, which ends the inbox with errSlowConsumer.
// Whatever comes after a final event or after an end is dropped; the call's
// fate is sealed by then.
func (b *inbox) put(e event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return true
	case b.discard:
		if e.kind.final() {
			b.append(event{kind: e.kind, uri: e.uri, origin: e.origin})
		}
		return true
	case b.err != nil:
		return true
	case b.events < b.maxEvents && b.bytes < b.maxBytes:
	case b.latest:
		b.skip()
	default:
		b.abandon(errSlowConsumer)
		return false
	}
	b.append(e)
	return true
}

// skip forgets the events that the consumer has not begun with, none of which
// is final. The caller holds b.mu.
func (b *inbox) skip() {
	b.skipped += len(b.filling.events)
	b.events -= len(b.filling.events)
	b.bytes -= len(b.filling.data)
	b.filling.reset()
}

// append adds e to the filling batch. The caller holds b.mu.
func (b *inbox) append(e event) {
	s := stored{event: e, hasArgs: e.payload.Args != nil, hasKws: e.payload.Kwargs != nil}
	b.filling.data = append(b.filling.data, e.payload.Args...)
	s.args = len(b.filling.data)
	b.filling.data = append(b.filling.data, e.payload.Kwargs...)
	s.end = len(b.filling.data)
	s.payload.Args, s.payload.Kwargs = nil, nil
	b.filling.events = append(b.filling.events, s)
	b.events++
	b.bytes += len(e.payload.Args) + len(e.payload.Kwargs)
	if e.kind.final() {
		b.closed = true
		b.relieve()
	}
	signal(b.ready)
}

// fail ends the inbox with err unless it has ended already. What is queued
// is lost.
func (b *inbox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && !b.closed {
		b.err = err
		b.relieve()
		signal(b.ready)
	}
}

// lost reports whether the inbox has ended other than by a final event.
func (b *inbox) lost() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil
}

// cutOff ends the inbox with err unless it has ended already, or its call was
// given up and waits for the dealer's last word: nobody is there to be told
// anything. What is queued is lost.
func (b *inbox) cutOff(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && !b.closed && !b.drained {
		b.abandon(err)
	}
}

// abandon ends the inbox with err, while its call goes on and has yet to be
// canceled. The caller holds b.mu.
func (b *inbox) abandon(err error) {
	b.err, b.discard = err, true
	b.relieve()
	signal(b.ready)
}

// drain forgets what is queued, and any failure, and from now on keeps final
// events only, without their payload. Only the consumer may call it. A final
// event that is already there is kept.
func (b *inbox) drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drained, b.discard, b.err = true, true, nil
	var last *stored
	if n := len(b.reading.events); b.at < n {
		last = &b.reading.events[n-1]
	}
	if n := len(b.filling.events); n > 0 {
		last = &b.filling.events[n-1]
	}
	var final event
	if last != nil && last.kind.final() {
		final = event{kind: last.kind, uri: last.uri, origin: last.origin}
	}
	b.reading.reset()
	b.filling.reset()
	b.at, b.events, b.bytes = 0, 0, 0
	b.relieve()
	if final.kind != 0 {
		b.append(final)
	}
}

// poll takes the next event. ok is false when there is none now; err is not
// nil when there will be none any more: errSlowConsumer or what fail was told.
// It never blocks; what it returns is valid until it is called again.
func (b *inbox) poll() (e event, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return event{}, false, b.err
	case b.held && !b.drained:
		return event{}, false, nil
	}
	if b.at == len(b.reading.events) {
		b.reading.reset()
		b.reading, b.filling, b.at = b.filling, b.reading, 0
	}
	if len(b.reading.events) == 0 {
		return event{}, false, nil
	}
	e = b.reading.event(b.at)
	b.at++
	b.events--
	b.bytes -= len(e.payload.Args) + len(e.payload.Kwargs)
	if b.events <= b.maxEvents/4 && b.bytes <= b.maxBytes/4 {
		b.relieve()
	}
	return e, true, nil
}

// hold is called before a CANCEL is sent: from then on poll says nothing, until
// drain. It reports false if there is nothing to cancel, or somebody did.
func (b *inbox) hold() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held || b.closed || b.err != nil && !b.discard {
		return false
	}
	b.held = true
	return true
}

// crowd returns a channel that is closed when the inbox has room again, or
// nil when nobody has to wait for that: it is less than half full, or has been
// given up.
func (b *inbox) crowd() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.latest || b.hopeless || b.err != nil || b.closed || b.events < b.maxEvents/2 && b.bytes < b.maxBytes/2 {
		return nil
	}
	if b.crowded == nil {
		b.crowded = make(chan struct{})
	}
	return b.crowded
}

// giveUp says that somebody waited for room in vain. Nobody has to wait until
// there is room again.
func (b *inbox) giveUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.crowded != nil {
		b.relieve() // nobody else may wait on
		b.hopeless = true
	}
}

// relieve wakes those who wait for room. The caller holds b.mu.
func (b *inbox) relieve() {
	b.hopeless = false
	if b.crowded != nil {
		close(b.crowded)
		b.crowded = nil
	}
}

// reset makes the inbox fit for another call. The caller owns it alone.
func (b *inbox) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.ready:
	default:
	}
	b.filling.reset()
	b.reading.reset()
	b.filling.shrink()
	b.reading.shrink()
	b.events, b.bytes, b.at = 0, 0, 0
	b.err, b.closed = nil, false
	b.held, b.drained, b.discard = false, false, false
	b.relieve()
}

// release lets go of the buffers of an inbox that is not used any more, while
// others may still look at it.
func (b *inbox) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.filling, b.reading, b.at = batch{}, batch{}, 0
}

// signal leaves a token for whoever waits at a channel, which holds one at most.
func signal(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// event returns event i with its payload.
func (b *batch) event(i int) event {
	start := 0
	if i > 0 {
		start = b.events[i-1].end
	}
	s := &b.events[i]
	e := s.event
	if s.hasArgs {
		e.payload.Args = b.data[start:s.args:s.args]
	}
	if s.hasKws {
		e.payload.Kwargs = b.data[s.args:s.end:s.end]
	}
	return e
}

func (b *batch) reset() {
	clear(b.events)
	b.events, b.data = b.events[:0], b.data[:0]
}

// shrink lets go of a buffer that one large answer made.
func (b *batch) shrink() {
	if cap(b.data) > keptBytes {
		b.data = nil
	}
}
