package dealer

import (
	linked "container/list"
	"time"

	"github.com/wampgate/wampgate/dealer/shard"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// The calls of one key stand in line: as many as the callee's shard_concurrency
// are in flight, by default one, the others wait, first come, first served. A
// line is there as long as it has calls.
//
// Lines of one slot change hands together. When a slot gets another owner while
// the old one works on it, new calls wait until that work has ended, so that a
// key's state is never in two hands; but not longer than HandoverTimeout. From
// then on the old owner's calls are not counted any more. They may still end
// well: the epoch in their details tells what they are worth.

// A sharded is what calls that have to do with shards have beside others.
type sharded struct {
	line    *line              // of its routing key; nil if it has none
	tenure  int                // of the line's slot when the call was sent
	details *wamp.ShardDetails // for the callee
	gather  *gather            // of a CALL to all members, which has no callee of its own
	sink    sink               // of a call of the dealer's own
}

// inLine reports whether the call has a routing key.
func (c *call) inLine() bool { return c.sharded != nil && c.sharded.line != nil }

// gathering returns what a CALL to all members gathers, or nil if c is none.
func (c *call) gathering() *gather {
	if c.sharded == nil {
		return nil
	}
	return c.sharded.gather
}

// sink returns who gets the answer of a call of the dealer's own, or nil if c
// has a caller.
func (c *call) sink() sink {
	if c.sharded == nil {
		return nil
	}
	return c.sharded.sink
}

// A line is the calls of one key.
type line struct {
	key       wamp.Key
	slot      *slot
	at        *linked.Element // in slot.lines
	inFlight  int             // INVOCATIONs of the slot's owner
	queue     queue
	resolving bool // the resolver has been asked
}

// A slot is what moves from one member to another. With strategy hash it has a
// number and the lines of all keys that fall into it, otherwise one line.
type slot struct {
	group    *group
	number   int
	at       *linked.Element // in group.inOrder
	lines    linked.List     // of *line, the oldest first
	owner    *place          // who got the last call
	inFlight int             // INVOCATIONs of owner
	tenure   int             // grows when calls in flight stop counting

	handover *linked.Element // in Dealer.handovers; nil unless calls wait for the old owner
	until    time.Time       // when they do not wait any longer
}

// callShard handles a new CALL of a sharded registration.
func (d *Dealer) callShard(now time.Time, s *session, r *registration, m *wamp.Call) {
	if m.Options.RunMode == wamp.RunAll {
		d.callAll(now, s, r, m)
		return
	}
	l := r.group.line(m.Options.RoutingKey)
	p, why := d.turn(now, l)
	switch {
	case why.uri != "":
		d.refuseCall(now, s, m, why)
	case p == nil:
		if c := d.enqueue(now, s, &l.queue, m); c != nil {
			c.sharded = &sharded{line: l}
		}
	default:
		if why := p.refuses(&m.Options, m.Procedure); why.uri != "" {
			d.refuseCall(now, s, m, why)
		} else {
			d.invoke(now, s, p, m)
		}
	}
	d.dropLine(l)
}

// refuses returns why the owner of a key cannot take a call; nobody else may.
func (p *place) refuses(o *wamp.CallOptions, procedure wamp.URI) refusal {
	if o.Progress && !p.streaming {
		return notStreaming(procedure)
	}
	return p.session.lacks(o)
}

// line returns the line of a key, perhaps a new one.
func (g *group) line(key wamp.Key) *line {
	l := g.lines[key]
	if l == nil {
		l = &line{key: key, slot: g.slot(key)}
		l.queue.held = &g.held
		l.at = l.slot.lines.PushBack(l)
		g.lines[key] = l
	}
	return l
}

// slot returns the slot that a new line belongs to.
func (g *group) slot(key wamp.Key) *slot {
	number := -1
	if g.strategy == wamp.ShardHash {
		number = shard.SlotOf(string(key))
		if s := g.slots[number]; s != nil {
			return s
		}
	}
	s := &slot{group: g, number: number}
	s.at = g.inOrder.PushBack(s)
	if number >= 0 {
		g.slots[number] = s
	}
	return s
}

// turn returns the place that may get a call of l now; a refusal if nobody
// ever will; neither if the call has to wait.
func (d *Dealer) turn(now time.Time, l *line) (*place, refusal) {
	p, why := d.ownerOf(now, l)
	if p == nil {
		return nil, why
	}
	if s := l.slot; s.inFlight > 0 && s.owner != p {
		d.startHandover(now, s)
		return nil, refusal{}
	}
	d.stopHandover(l.slot)
	if l.inFlight >= p.seat.concurrency {
		return nil, refusal{}
	}
	return p, refusal{}
}

// ownerOf returns the place that owns the key of l; a refusal if nobody does;
// neither if the resolver has to say it first.
func (d *Dealer) ownerOf(now time.Time, l *line) (*place, refusal) {
	g := l.slot.group
	switch g.strategy {
	case wamp.ShardByRange:
		point, ok := pointOf(g.rangeType, l.key)
		if !ok {
			return nil, refusal{wamp.ErrInvalidArgument, "rkey " + l.key.String() + " is no " + g.rangeType}
		}
		if m, ok := g.ranges.Find(point); ok {
			return m.active(), refusal{}
		}
	case wamp.ShardCustom:
		return d.resolvedOwner(now, l)
	default:
		if m, ok := g.table.Owner(l.slot.number); ok {
			return m.active(), refusal{}
		}
	}
	return nil, g.noOwner(l.key)
}

// noOwner is the refusal of a call whose key is nobody's.
func (g *group) noOwner(key wamp.Key) refusal {
	return refusal{wamp.ErrNoAvailableCallee, "no callee of " + quote(g.address.procedure) + " owns rkey " + key.String()}
}

// take gives a call to the callee in its seat. With a key the call counts in the
// line.
func (s *seat) take(c *call, key wamp.Key) {
	if c.sharded == nil {
		c.sharded = new(sharded)
	}
	c.sharded.details = s.details(key)
	if key == "" {
		return
	}
	l := s.group.lines[key]
	c.sharded.line, c.sharded.tenure = l, l.slot.tenure
	l.inFlight++
	l.slot.inFlight++
	l.slot.owner = s.place
}

// leaveLine notes that a call has ended, and lets the next one of its line go
// unless it only waited there.
func (d *Dealer) leaveLine(now time.Time, c *sharded, waited bool) {
	l, s := c.line, c.line.slot
	switch {
	case waited:
		d.dropLine(l)
		return
	case c.tenure != s.tenure:
		return // it did not count any more
	}
	l.inFlight--
	s.inFlight--
	if s.inFlight == 0 && s.handover != nil {
		d.advanceSlot(now, s)
		return
	}
	d.advance(now, l)
}

// advance sends the calls of l whose turn it is.
func (d *Dealer) advance(now time.Time, l *line) {
	for c := l.queue.first; c != nil; c = l.queue.first {
		if !now.Before(c.deadline) {
			d.expire(now, c)
			continue
		}
		p, why := d.turn(now, l)
		if p == nil && why.uri == "" {
			break
		}
		if p != nil {
			why = p.refuses(&c.queued.chunks[0].Options, c.details.Procedure)
		}
		if why.uri != "" {
			d.abandon(now, c, why)
		} else {
			d.dispatch(now, c, p)
		}
	}
	d.dropLine(l)
}

// advanceSlot does so for all lines of a slot.
func (d *Dealer) advanceSlot(now time.Time, s *slot) {
	for e := s.lines.Front(); e != nil; {
		l, _ := e.Value.(*line)
		e = e.Next()
		d.advance(now, l)
	}
}

// dropLine forgets a line without calls, and its slot with its last line.
func (d *Dealer) dropLine(l *line) {
	s, g := l.slot, l.slot.group
	if l.inFlight > 0 || l.queue.first != nil || l.resolving || g.lines[l.key] != l {
		return
	}
	delete(g.lines, l.key)
	s.lines.Remove(l.at)
	if s.lines.Len() > 0 {
		return
	}
	d.stopHandover(s)
	g.inOrder.Remove(s.at)
	delete(g.slots, s.number)
	d.dropGroup(g)
}

// startHandover lets calls wait for the old owner of a slot, for a time. Since
// that time is the same for all, the list is in order.
func (d *Dealer) startHandover(now time.Time, s *slot) {
	if s.handover == nil {
		s.until = now.Add(d.config.HandoverTimeout)
		s.handover = d.handovers.PushBack(s)
	}
}

func (d *Dealer) stopHandover(s *slot) {
	if s.handover != nil {
		d.handovers.Remove(s.handover)
		s.handover = nil
	}
}

// nextHandover returns the slot whose calls have waited longest for its old
// owner, or nil if there is none.
func (d *Dealer) nextHandover() *slot {
	if d.handovers.Len() == 0 {
		return nil
	}
	s, _ := d.handovers.Front().Value.(*slot)
	return s
}

// expireHandovers lets the calls go whose old owner did not end in time.
func (d *Dealer) expireHandovers(now time.Time) {
	for s := d.nextHandover(); s != nil && !now.Before(s.until); s = d.nextHandover() {
		s.tenure++
		s.inFlight = 0
		for e := s.lines.Front(); e != nil; e = e.Next() {
			l, _ := e.Value.(*line)
			l.inFlight = 0
		}
		d.stopHandover(s)
		d.advanceSlot(now, s)
	}
}
