package dealer

import (
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Delivery is a message on its way to a session.
type Delivery struct {
	To      wamp.ID
	Message wamp.Message
}

// Void reports whether the delivery must not be made any more, since an earlier
// chunk of the same call was reported to [Dealer.Undeliverable] meanwhile.
func (d Delivery) Void() bool {
	m, ok := d.Message.(*wamp.Invocation)
	return ok && m.Request == 0
}

// keepMessages is how many message structs of a type are kept for reuse; what
// a large step needs beyond them is left to the garbage collector.
const keepMessages = 64

// An outgoing collects the deliveries of one step, in order. The structs of
// the messages that relaying needs are reused from step to step.
type outgoing struct {
	deliveries  []Delivery
	invocations scratch[wamp.Invocation]
	results     scratch[wamp.Result]
	errors      scratch[wamp.Error]
	interrupts  scratch[wamp.Interrupt]
}

// reset forgets the deliveries of the last step.
func (o *outgoing) reset() {
	clear(o.deliveries)
	o.deliveries = o.deliveries[:0]
	if cap(o.deliveries) > 2*keepMessages {
		o.deliveries = nil
	}
	o.invocations.reset()
	o.results.reset()
	o.errors.reset()
	o.interrupts.reset()
}

func (o *outgoing) add(to *session, m wamp.Message) {
	o.deliveries = append(o.deliveries, Delivery{To: to.id, Message: m})
}

func (o *outgoing) invocation(to *session) *wamp.Invocation {
	m := o.invocations.next()
	o.add(to, m)
	return m
}

// unsend makes the deliveries void that follow that of m in this step and are
// further chunks of the same call. It returns how many there were.
func (o *outgoing) unsend(m *wamp.Invocation) int {
	id, to, n := m.Request, wamp.ID(0), 0
	for _, d := range o.deliveries {
		other, ok := d.Message.(*wamp.Invocation)
		switch {
		case !ok:
		case other == m:
			to = d.To
		case d.To == to && other.Request == id:
			other.Request = 0
			n++
		}
	}
	return n
}

func (o *outgoing) result(to *session) *wamp.Result {
	m := o.results.next()
	o.add(to, m)
	return m
}

func (o *outgoing) error(to *session) *wamp.Error {
	m := o.errors.next()
	o.add(to, m)
	return m
}

func (o *outgoing) interrupt(to *session) *wamp.Interrupt {
	m := o.interrupts.next()
	o.add(to, m)
	return m
}

// A scratch hands out zeroed values of T and takes all of them back at once.
type scratch[T any] struct {
	items []*T
	used  int
}

func (s *scratch[T]) next() *T {
	if s.used == len(s.items) {
		s.items = append(s.items, new(T))
	}
	s.used++
	return s.items[s.used-1]
}

func (s *scratch[T]) reset() {
	for _, item := range s.items[:s.used] {
		var zero T
		*item = zero
	}
	s.used = 0
	if len(s.items) > keepMessages {
		clear(s.items[keepMessages:])
		s.items = s.items[:keepMessages]
	}
}
