package floor

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/wampgate/wampgate/test/bench/wire"
)

var errGoodbye = errors.New("the peer says goodbye")

// receive handles a message of the peer.
func (s *session) receive(b []byte) error {
	m, err := wire.Parse(s.serializer, b)
	if err != nil {
		return err
	}
	switch m.Type {
	case wire.Call:
		return s.call(m)
	case wire.Yield:
		return s.yield(m)
	case wire.Register:
		return s.register(m)
	case wire.Hello:
		s.answer(wire.Welcome, 3, s.id, map[string]any{"roles": map[string]any{"dealer": map[string]any{}}})
		return nil
	case wire.Goodbye:
		d := s.serializer.Uint(s.serializer.Open(nil, 3), wire.Goodbye)
		d = s.serializer.Text(s.serializer.Flag(d, ""), "wamp.close.goodbye_and_out")
		s.send(s, s.serializer.End(d), nil)
		s.flush()
		return errGoodbye
	}
	return fmt.Errorf("unexpected message of type %d", m.Type)
}

// answer sends the peer a message of n elements.
func (s *session) answer(kind uint64, n int, id uint64, elements ...any) {
	d := wire.Begin(s.serializer, nil, n, kind, id)
	for _, e := range elements {
		d = s.serializer.Value(d, e)
	}
	s.send(s, s.serializer.End(d), nil)
}

// split takes the options of a message, and says whether they set a flag.
func split(f wire.Serializer, b []byte, flag string) (set bool, rest []byte, ok bool) {
	rest, ok = f.Skip(b)
	if !ok {
		return false, nil, false
	}
	options := b[:len(b)-len(rest)]
	return len(options) > len(flag) && wire.HasFlag(options, flag), rest, true
}

// flagIf appends options: one if it is set, else none.
func flagIf(set bool, f wire.Serializer, d []byte, flag string) []byte {
	if !set {
		flag = ""
	}
	return f.Flag(d, flag)
}

func (s *session) call(m wire.Message) error {
	progress, rest, ok := split(s.serializer, m.Rest, "receive_progress")
	if !ok {
		return wire.ErrMalformed
	}
	uri, arguments, ok := s.serializer.TakeText(rest)
	if !ok {
		return wire.ErrMalformed
	}
	r := s.dealer.lookup(uri)
	if r == nil || r.callee.serializer.Name() != s.serializer.Name() {
		s.refuse(m.ID)
		return nil
	}
	id := r.callee.invoke(pending{s, m.ID, progress})
	d := wire.Begin(s.serializer, s.head[:0], m.Len, wire.Invocation, id)
	d = flagIf(progress, s.serializer, s.serializer.Uint(d, r.id), "receive_progress")
	s.head = d
	s.send(r.callee, d, arguments)
	return nil
}

// refuse answers a call that cannot be routed.
func (s *session) refuse(id uint64) {
	f := s.serializer
	d := f.Uint(f.Uint(f.Uint(f.Open(nil, 5), wire.Error), wire.Call), id)
	d = f.Text(f.Flag(d, ""), "wamp.error.no_such_procedure")
	s.send(s, f.End(d), nil)
}

func (s *session) yield(m wire.Message) error {
	progress, arguments, ok := split(s.serializer, m.Rest, "progress")
	if !ok {
		return wire.ErrMalformed
	}
	p, ok := s.settle(m.ID, !progress)
	if !ok {
		return nil
	}
	if p.caller.reply != nil {
		p.caller.reply(p.id, arguments)
		return nil
	}
	d := wire.Begin(s.serializer, s.head[:0], m.Len, wire.Result, p.id)
	d = flagIf(progress && p.progress, s.serializer, d, "progress")
	s.head = d
	s.send(p.caller, d, arguments)
	return nil
}

func (s *session) register(m wire.Message) error {
	rest, ok := s.serializer.Skip(m.Rest)
	if !ok {
		return wire.ErrMalformed
	}
	uri, _, ok := s.serializer.TakeText(rest)
	if !ok {
		return wire.ErrMalformed
	}
	s.answer(wire.Registered, 3, m.ID, s.dealer.register(s, string(uri), bytes.Contains(m.Rest[:len(m.Rest)-len(rest)], []byte("prefix"))))
	return nil
}
