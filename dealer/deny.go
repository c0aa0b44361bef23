package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Deny answers a request that its session has no right to make: it has taken
// place in the sequence of requests, and nothing else. The rights to a
// progressive call are asked for with its first chunk, so those that follow are
// received. Results are those of [Dealer.Receive].
func (d *Dealer) Deny(now time.Time, from wamp.ID, m wamp.Message, reason wamp.URI, text string) ([]Delivery, error) {
	d.out.reset()
	s := d.sessions[from]
	if s == nil {
		return nil, nil
	}
	if err := d.deny(now, s, m, refusal{reason, text}); err != nil {
		return nil, err
	}
	return d.out.deliveries, nil
}

func (d *Dealer) deny(now time.Time, s *session, m wamp.Message, why refusal) error {
	var id wamp.ID
	switch m := m.(type) {
	case *wamp.Call:
		return d.denyCall(now, s, m, why)
	case *wamp.Register:
		id = m.Request
	case *wamp.Subscribe:
		id = m.Request
	default:
		return d.receive(now, s, m)
	}
	if err := s.accept(m.Type(), id); err != nil {
		return err
	}
	d.refuse(s, m.Type(), id, why)
	return nil
}

func (d *Dealer) denyCall(now time.Time, s *session, m *wamp.Call, why refusal) error {
	if s.calls[m.Request] != nil {
		return d.call(now, s, m)
	}
	if s.late.swallows(now, m) {
		return nil
	}
	if err := s.accept(wamp.TypeCall, m.Request); err != nil {
		return err
	}
	d.stats.Calls++
	d.refuseCall(now, s, m, why)
	return nil
}

// Continues reports whether a CALL is a further chunk of a call in flight.
func (d *Dealer) Continues(from wamp.ID, m *wamp.Call) bool {
	s := d.sessions[from]
	return s != nil && s.calls[m.Request] != nil
}
