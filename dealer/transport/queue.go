package transport

import (
	"slices"
	"sync"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A buffer holds frames in wire form. Buffers are pooled, so that a connection
// with nothing to send holds none.
type buffer struct{ bytes []byte }

// maxPooled is the capacity from which on a buffer is left to the garbage
// collector. The largest message and the fullest queue of the defaults are
// below it.
const maxPooled = 8 << 20

// A bufferPool is shared by the connections of a Handler.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, 1024)}
}

// put takes b back; nil does nothing.
func (p *bufferPool) put(b *buffer) {
	if b == nil || cap(b.bytes) > maxPooled {
		return
	}
	b.bytes = b.bytes[:0]
	p.pool.Put(b)
}

// A queue is what has been pushed to an outbox and not been taken to be sent.
// Messages whose payload is in another serializer than the peer's wait in
// their own form: transcoding takes too long for a push.
type queue struct {
	wire *buffer // nil if empty
	raw  []rawMessage
	size int // bytes, of wire and raw together
}

// A rawMessage is a message still to be transcoded.
type rawMessage struct {
	session *router.Session // whose message it is
	message wamp.Message
	at      int // comes before wire.bytes[at:]
}

// empty reports whether there is nothing to send.
func (q *queue) empty() bool { return q.size == 0 }

// pushRaw appends a copy of m.
func (q *queue) pushRaw(s *router.Session, m wamp.Message) {
	raw := rawMessage{session: s, message: clone(m)}
	if q.wire != nil {
		raw.at = len(q.wire.bytes)
	}
	q.raw = append(q.raw, raw)
	q.size += sizeHint(m)
}

// clone copies a message that has a payload. Dicts are shared: nobody writes
// to a dict once it is in a message.
func clone(m wamp.Message) wamp.Message {
	switch m := m.(type) {
	case *wamp.Invocation:
		c := *m
		c.Payload = clonePayload(m.Payload)
		return &c
	case *wamp.Result:
		c := *m
		c.Payload = clonePayload(m.Payload)
		return &c
	case *wamp.Error:
		c := *m
		c.Payload = clonePayload(m.Payload)
		return &c
	case *wamp.Event:
		c := *m
		c.Payload = clonePayload(m.Payload)
		return &c
	}
	return m
}

func clonePayload(p wamp.Payload) wamp.Payload {
	both := slices.Concat(p.Args, p.Kwargs)
	n := len(p.Args)
	c := wamp.Payload{Serializer: p.Serializer}
	if p.Args != nil {
		c.Args = both[:n:n]
	}
	if p.Kwargs != nil {
		c.Kwargs = both[n:]
	}
	return c
}

// An undeliverable is a message that turned out to have no form the peer
// takes.
type undeliverable struct {
	session *router.Session
	message wamp.Message
	err     error
}

// encode returns everything in wire form. Messages that have none are left out
// and returned beside. It takes the queue's buffer.
func (q *queue) encode(f format, buffers *bufferPool) (*buffer, []undeliverable) {
	out, failed := q.transcode(f, buffers)
	if f.framing == batched {
		out = f.mergeAll(out, buffers)
	}
	return out, failed
}

// transcode is encode without the making of batches.
func (q *queue) transcode(f format, buffers *bufferPool) (*buffer, []undeliverable) {
	if len(q.raw) == 0 {
		return q.wire, nil
	}
	var failed []undeliverable
	var wire []byte
	if q.wire != nil {
		wire = q.wire.bytes
	}
	out := buffers.get()
	done := 0
	for _, raw := range q.raw {
		out.bytes = append(out.bytes, wire[done:raw.at]...)
		done = raw.at
		var err error
		if out.bytes, err = f.append(out.bytes, raw.message); err != nil {
			failed = append(failed, undeliverable{raw.session, raw.message, err})
		}
	}
	out.bytes = append(out.bytes, wire[done:]...)
	buffers.put(q.wire)
	return out, failed
}
