package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// What is known about the answers of resolvers, and how long it takes to get
// one.
const (
	resolverTimeout = time.Second
	resolvedTTL     = time.Minute
	maxResolved     = 4096 // of a group; when there are more it starts anew
)

// A resolved is what the resolver said about a key.
type resolved struct {
	member *shardMember
	until  time.Time
}

// A question is a call of a resolver.
type question struct {
	line  *line
	epoch uint64
}

// resolvedOwner returns the place that the resolver gave the key of l to. If
// it has not been asked yet in this epoch, it is now.
func (d *Dealer) resolvedOwner(now time.Time, l *line) (*place, refusal) {
	if known, ok := l.slot.group.resolved[l.key]; ok && now.Before(known.until) {
		return known.member.active(), refusal{}
	}
	if l.resolving {
		return nil, refusal{}
	}
	return nil, d.ask(now, l)
}

// ask calls the resolver, with the key and the members.
func (d *Dealer) ask(now time.Time, l *line) refusal {
	g := l.slot.group
	if len(g.members) == 0 {
		return g.noOwner(l.key)
	}
	r, why := d.find(g.resolver)
	switch {
	case r == nil:
		return g.unresolved(l.key, why.text)
	case r.group != nil:
		return g.unresolved(l.key, "it is sharded itself")
	case d.calls+1 >= d.config.MaxCalls: // there is the call that it is for, too
		return g.unresolved(l.key, "too many calls in flight")
	}
	p := r.choose(false, d.config.Rand)
	if p == nil {
		return g.unresolved(l.key, "all its callees are busy")
	}
	l.resolving = true
	m := &wamp.Call{Procedure: g.resolver, Payload: g.question(l.key)}
	c := d.openInner(now, &d.self, p, m, question{l, g.epoch})
	c.gap = resolverTimeout
	d.deadlines.endAt(c, now.Add(c.gap), wamp.ErrTimeout)
	return refusal{}
}

// question returns the arguments of a resolver.
func (g *group) question(key wamp.Key) wamp.Payload {
	if g.roster == nil {
		members := make([]any, 0, len(g.members))
		for _, m := range g.members {
			members = append(members, wamp.Dict{"shard_id": m.name, "metadata": m.active().seat.metadata})
		}
		g.roster, _ = wamp.JSON.AppendValue(nil, members) // has been decoded from a message
	}
	encoded, _ := wamp.JSON.AppendValue(nil, key.Value()) // finite
	return wamp.Payload{Serializer: wamp.JSON, Args: wamp.JSON.AppendList(nil, encoded, g.roster)}
}

// unresolved is the refusal of a call whose key the resolver did not give to
// anybody.
func (g *group) unresolved(key wamp.Key, text string) refusal {
	return refusal{wamp.ErrUnavailable, "shard_resolver " + quote(g.resolver) + " did not resolve rkey " + key.String() + ": " + text}
}

// answered takes the shard_id that the resolver answers.
func (q question) answered(d *Dealer, now time.Time, p wamp.Payload) {
	l := q.line
	g := l.slot.group
	l.resolving = false
	if q.epoch != g.epoch {
		d.advance(now, l) // asks again: the members are not those that it chose from
		return
	}
	args, _, err := p.Decode()
	if err != nil || len(args) == 0 {
		d.failLine(now, l, g.unresolved(l.key, "its answer is no shard_id"))
		return
	}
	id, isText := args[0].(string)
	i, known := g.find(id)
	switch {
	case !isText:
		d.failLine(now, l, g.unresolved(l.key, "its answer is no shard_id"))
	case !known:
		d.failLine(now, l, refusal{wamp.ErrNoAvailableCallee, "rkey " + l.key.String() + " belongs to shard_id " + quote(wamp.URI(id)) + ", which is not there"})
	default:
		g.remember(l.key, resolved{g.members[i], now.Add(resolvedTTL)})
		d.advance(now, l)
	}
}

// failed takes the ERROR that the resolver answers, or that comes in its place.
func (q question) failed(d *Dealer, now time.Time, why wamp.URI, _ wamp.Payload) {
	q.line.resolving = false
	d.failLine(now, q.line, q.line.slot.group.unresolved(q.line.key, quote(why)))
}

// remember keeps what the resolver said.
func (g *group) remember(key wamp.Key, r resolved) {
	if len(g.resolved) >= maxResolved {
		g.resolved = nil
	}
	if g.resolved == nil {
		g.resolved = make(map[wamp.Key]resolved)
	}
	g.resolved[key] = r
}

// failLine ends the calls that wait in a line.
func (d *Dealer) failLine(now time.Time, l *line, why refusal) {
	for c := l.queue.first; c != nil; c = l.queue.first {
		d.abandon(now, c, why)
	}
	d.dropLine(l)
}
