package dealer

import (
	linked "container/list"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/shard"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A registration may be sharded: its callees are the members of a group, and a
// call goes to the member that owns its routing key. shardcheck.go says what a
// REGISTER must fulfill, lines.go keeps the order of the calls of one key,
// resolver.go asks the procedure that divides the keys of strategy "custom",
// and all.go calls every member.

// The bounds of shard groups.
const (
	maxGroups   = 1000 // of a realm: the table of one takes 32 KiB
	maxShardTag = 255  // bytes of a group's name and of a shard_id
)

// An address is what a registration is found by.
type address struct {
	match     match.Policy
	procedure wamp.URI
}

// A group is what a sharded registration has beside its places. It outlives
// the registration as long as calls are in flight, so that who registers next
// does not work on a key together with who was there before.
type group struct {
	address   address
	name      string
	strategy  wamp.ShardStrategy
	rangeType string
	resolver  wamp.URI

	epoch   uint64                     // grows whenever a shard gets another callee
	members []*shardMember             // by name
	table   shard.Table[*shardMember]  // strategy hash
	ranges  shard.Ranges[*shardMember] // strategy range

	resolved map[wamp.Key]resolved // strategy custom, in this epoch
	roster   []byte                // JSON: what the resolver is told of the members; nil: not written in this epoch

	lines   map[wamp.Key]*line
	slots   map[int]*slot // strategy hash, by number
	inOrder linked.List   // of all *slot, the oldest first
	held    held          // what waits in the lines
}

// A shardMember owns one shard. It has a name that outlives its callees: the
// shard_id or, with strategy range, where its range begins. The first place is
// the one that is called, the others stand by.
type shardMember struct {
	name   string
	weight float64
	Range  shard.Range
	places []*place
}

// active returns the place that gets the member's calls.
func (m *shardMember) active() *place { return m.places[0] }

// A seat is what a place of a sharded registration has more than others.
type seat struct {
	place       *place
	group       *group
	member      *shardMember
	id          string // shard_id, or the number of the session
	concurrency int    // calls of one key at a time
	metadata    wamp.Dict
}

// details tells the callee where it sits.
func (s *seat) details(key wamp.Key) *wamp.ShardDetails {
	details := &wamp.ShardDetails{ID: s.id, Key: key, Slot: -1, Epoch: s.group.epoch}
	if s.group.strategy == wamp.ShardHash && key != "" {
		details.Slot = int64(shard.SlotOf(string(key)))
	}
	return details
}

// newGroup returns the group of a new registration: one that still has calls
// in flight, if it is the same.
func (d *Dealer) newGroup(r *registration, o *wamp.ShardOptions) *group {
	at := address{r.match, r.procedure}
	if g := d.groups[at]; g != nil && g.differs(o) == "" {
		return g
	}
	g := &group{
		address:  at,
		name:     strings.Clone(o.Group),
		strategy: o.Strategy,
		resolver: wamp.URI(strings.Clone(string(o.Resolver))),
		lines:    make(map[wamp.Key]*line),
		slots:    make(map[int]*slot),
	}
	if o.Range != nil {
		g.rangeType = strings.Clone(o.Range.Type)
	}
	if d.groups == nil {
		d.groups = make(map[address]*group)
	}
	d.groups[at] = g
	return g
}

// differs says in words how a REGISTER contradicts the group; "" if it does
// not.
func (g *group) differs(o *wamp.ShardOptions) string {
	switch {
	case o.Group != g.name:
		return "shard " + g.name
	case o.Strategy != g.strategy:
		return "shard_strategy " + g.strategy.String()
	case o.Resolver != g.resolver:
		return "shard_resolver " + quote(g.resolver)
	case o.Range != nil && o.Range.Type != g.rangeType:
		return "shard_range of type " + g.rangeType
	}
	return ""
}

// joinGroup makes a new place a member, or lets it stand by for one; with
// force_reregister it puts those out that were there before.
func (d *Dealer) joinGroup(now time.Time, p *place, options *wamp.RegisterOptions) {
	g, o := p.registration.group, options.Shard
	p.seat = &seat{
		place:       p,
		group:       g,
		id:          shardID(p.session, o),
		concurrency: max(int(o.Concurrency), 1),
		metadata:    cloneDict(o.Metadata),
	}
	name, r := g.memberName(p.session, o)
	i, known := g.find(name)
	if !known {
		m := &shardMember{name: strings.Clone(name), weight: shardWeight(o), Range: r}
		g.members = slices.Insert(g.members, i, m)
		g.divide(m)
	}
	m := g.members[i]
	m.places = append(m.places, p)
	p.seat.member = m
	if p == m.active() {
		d.regroup(now, g)
	}
	for options.Force && m.active() != p {
		d.revoke(now, m.active(), wamp.ErrUnregistered)
	}
}

// divide gives a new member its share.
func (g *group) divide(m *shardMember) {
	switch g.strategy {
	case wamp.ShardHash:
		g.table.Join(m.name, m.weight, m)
	case wamp.ShardByRange:
		g.ranges.Add(m.Range, m)
	}
}

// leaveGroup takes a place out of its group. Who stands by takes over; without
// anybody the shard goes to the other members, or to nobody.
func (d *Dealer) leaveGroup(now time.Time, p *place) {
	g, m := p.seat.group, p.seat.member
	wasActive := p == m.active()
	m.places = slices.DeleteFunc(m.places, func(other *place) bool { return other == p })
	if len(m.places) == 0 {
		g.remove(m)
	}
	if wasActive {
		d.regroup(now, g)
	}
	d.dropGroup(g)
}

func (g *group) remove(m *shardMember) {
	i, _ := g.find(m.name)
	g.members = slices.Delete(g.members, i, i+1)
	switch g.strategy {
	case wamp.ShardHash:
		g.table.Leave(m.name)
	case wamp.ShardByRange:
		g.ranges.Remove(m.Range)
	}
}

// find returns where the member with a name is, or would be.
func (g *group) find(name string) (int, bool) {
	return slices.BinarySearchFunc(g.members, name, func(m *shardMember, name string) int { return strings.Compare(m.name, name) })
}

// regroup begins a new epoch: what waits goes to those who own it now. It
// looks at each slot that has calls.
func (d *Dealer) regroup(now time.Time, g *group) {
	d.epoch++
	g.epoch = d.epoch
	g.resolved, g.roster = nil, nil
	for e := g.inOrder.Front(); e != nil; {
		s, _ := e.Value.(*slot)
		e = e.Next()
		d.advanceSlot(now, s)
	}
}

// dropGroup forgets a group that has neither members nor calls.
func (d *Dealer) dropGroup(g *group) {
	if len(g.members) == 0 && g.inOrder.Len() == 0 && d.groups[g.address] == g {
		delete(d.groups, g.address)
	}
}

// checkKey returns what speaks against the options of a CALL that name a
// shard, or against leaving them out.
func checkKey(r *registration, o *wamp.CallOptions) refusal {
	key, mode := o.RoutingKey, o.RunMode
	switch {
	case mode >= wamp.RunUnknown:
		return refusal{wamp.ErrInvalidArgument, "runmode is none of partition, all"}
	case mode == wamp.RunPartition && key == "":
		return refusal{wamp.ErrInvalidArgument, "runmode partition needs an rkey"}
	case r.group == nil:
		return refusal{wamp.ErrFeatureNotSupported, quote(r.procedure) + " is not sharded: leave out rkey and runmode"}
	case mode == wamp.RunAll && key != "":
		return refusal{wamp.ErrInvalidArgument, "runmode all calls every member: leave out rkey"}
	case mode == wamp.RunAll && o.Progress:
		return refusal{wamp.ErrFeatureNotSupported, "runmode all takes no progressive calls"}
	case mode != wamp.RunAll && key == "":
		return refusal{wamp.ErrInvalidArgument, quote(r.procedure) + " is sharded: give an rkey, or runmode all"}
	}
	return refusal{}
}
