package dealer

import (
	"strconv"

	"github.com/wampgate/wampgate/dealer/shard"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxWeight bounds shard_weight, and its inverse bounds it from below.
const maxWeight = 1000

// checkShard returns what speaks against a REGISTER that is sharded, or whose
// procedure is.
func (d *Dealer) checkShard(s *session, m *wamp.Register, r *registration) refusal {
	o := m.Options.Shard
	switch {
	case o == nil:
		return refusal{wamp.ErrProcedureAlreadyExists, quote(r.procedure) + " is registered with shard " + r.group.name}
	case r != nil && r.group == nil:
		return refusal{wamp.ErrProcedureAlreadyExists, quote(r.procedure) + " is registered with invoke " + r.policy.String() + ", and not sharded"}
	}
	if text := checkShardOptions(m); text != "" {
		return refusal{wamp.ErrInvalidArgument, text}
	}
	if r != nil {
		return checkMember(s, r, &m.Options)
	}
	if len(d.groups) >= maxGroups {
		return refusal{wamp.ErrUnavailable, "the realm is full of shard groups"}
	}
	return d.checkRoom()
}

// checkMember returns what speaks against a further member of r.
func checkMember(s *session, r *registration, options *wamp.RegisterOptions) refusal {
	g, o := r.group, options.Shard
	if text := g.differs(o); text != "" {
		return refusal{wamp.ErrProcedureAlreadyExists, quote(r.procedure) + " is registered with " + text}
	}
	if s.places[r.id] != nil {
		return refusal{wamp.ErrProcedureAlreadyExists, "this session has registered " + quote(r.procedure)}
	}
	name, bounds := g.memberName(s, o)
	i, known := g.find(name)
	switch other, same, ok := g.ranges.Overlap(bounds); {
	case ok && !same:
		return refusal{wamp.ErrInvalidArgument, "shard_range overlaps that of shard_id " + other.active().seat.id}
	case known && g.members[i].weight != shardWeight(o):
		return refusal{wamp.ErrInvalidArgument, "shard_id " + name + " is there with another shard_weight"}
	case !known && len(g.members) >= shard.MaxMembers:
		return refusal{wamp.ErrUnavailable, "the shard group is full"}
	}
	if known && options.Force {
		for _, p := range g.members[i].places {
			if !samePrincipal(p.session.identity, s.identity) {
				return refusal{wamp.ErrNotAuthorized, "shard_id " + p.seat.id + " belongs to somebody else"}
			}
		}
	}
	return s.dealer.checkRoom()
}

// checkShardOptions says in words what is wrong with the options of sharding
// by themselves; "" if nothing is.
func checkShardOptions(m *wamp.Register) string {
	o := m.Options.Shard
	switch {
	case o.Group == "":
		return "options of sharding need the name of a group as shard"
	case len(o.Group) > maxShardTag || len(o.ID) > maxShardTag:
		return "shard and shard_id have at most " + strconv.Itoa(maxShardTag) + " bytes"
	case o.Strategy >= wamp.ShardUnknown:
		return "shard_strategy is none of hash, range, custom"
	case m.Options.Invoke != wamp.InvokeSingle:
		return "shard and invoke exclude each other"
	case m.Options.Concurrency != 0:
		return "shard and concurrency exclude each other: shard_concurrency is for each key"
	}
	return checkStrategy(m.Procedure, o)
}

// checkStrategy says in words what is wrong with the options of the strategies.
func checkStrategy(procedure wamp.URI, o *wamp.ShardOptions) string {
	switch {
	case o.Weight != 0 && o.Strategy != wamp.ShardHash:
		return "shard_weight goes with shard_strategy hash"
	case o.Weight != 0 && (o.Weight < 1./maxWeight || o.Weight > maxWeight):
		return "shard_weight is not from 0.001 to 1000"
	case (o.Range != nil) != (o.Strategy == wamp.ShardByRange):
		return "shard_range and shard_strategy range go together"
	case (o.Resolver != "") != (o.Strategy == wamp.ShardCustom):
		return "shard_resolver and shard_strategy custom go together"
	case o.Resolver != "" && (!o.Resolver.Valid() || o.Resolver == procedure):
		return "shard_resolver is not the URI of another procedure"
	case o.Range != nil:
		return checkRange(o.Range)
	}
	return ""
}

// checkRange says in words what is wrong with a range.
func checkRange(r *wamp.ShardRange) string {
	if t := r.Type; t != "number" && t != "string" && t != "uuid" {
		return "shard_range.type is none of number, string, uuid"
	}
	for _, bound := range []wamp.Key{r.From, r.To} {
		if _, ok := pointOf(r.Type, bound); !ok && bound != "" {
			return "shard_range: " + bound.String() + " is no " + r.Type
		}
	}
	if shardRange(r).Empty() {
		return "shard_range is empty: from must come before to"
	}
	return ""
}

// shardRange returns the range of options that have been checked.
func shardRange(r *wamp.ShardRange) shard.Range {
	from, _ := pointOf(r.Type, r.From)
	to, _ := pointOf(r.Type, r.To)
	return shard.Range{From: from, To: to, Open: r.To == ""}
}

// pointOf returns where a key lies among those of a type.
func pointOf(kind string, key wamp.Key) (shard.Point, bool) {
	value := key.Value()
	if kind == "number" {
		return shard.Number(value)
	}
	text, ok := value.(string)
	if b, isBytes := value.([]byte); isBytes && kind == "uuid" {
		text, ok = string(b), true
	}
	if !ok {
		return "", false
	}
	if kind == "uuid" {
		return shard.UUID(text)
	}
	return shard.Point(text), true
}

func shardWeight(o *wamp.ShardOptions) float64 {
	if o.Weight == 0 {
		return 1
	}
	return o.Weight
}

// shardID returns who a callee is in its group. Without shard_id it is who it
// is as long as its session lasts.
func shardID(s *session, o *wamp.ShardOptions) string {
	if o.ID == "" {
		return strconv.FormatUint(uint64(s.id), 10)
	}
	return o.ID
}

// memberName returns the name of the member that a REGISTER is for, and its
// range.
func (g *group) memberName(s *session, o *wamp.ShardOptions) (string, shard.Range) {
	if g.strategy == wamp.ShardByRange {
		r := shardRange(o.Range)
		return string(r.From), r
	}
	return shardID(s, o), shard.Range{}
}
