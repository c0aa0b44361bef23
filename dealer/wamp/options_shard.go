package wamp

import (
	"math"
	"strings"
)

// shardOption reads the value of a key of REGISTER.Options if it belongs to
// sharding, else it reports false.
func (c *codec) shardOption(key []byte, options **ShardOptions) bool {
	name := strings.TrimPrefix(string(key), "_")
	if !strings.HasPrefix(name, "shard") {
		return false
	}
	o := *options
	if o == nil {
		o = new(ShardOptions)
	}
	if !c.readShardOption(name, o) {
		return false
	}
	*options = o
	return true
}

func (c *codec) readShardOption(name string, o *ShardOptions) bool {
	what := "Options." + name
	switch name {
	case "shard":
		c.optionalString(what, &o.Group)
	case "shard_id":
		c.optionalString(what, &o.ID)
	case "shard_strategy":
		c.shardStrategy(what, &o.Strategy)
	case "shard_weight":
		c.weight(what, &o.Weight)
	case "shard_concurrency":
		if n, ok := c.optionalInteger(what, math.MaxInt32); ok {
			o.Concurrency = int64(n) //nolint:gosec // at most MaxInt32
		}
	case "shard_range":
		c.shardRange(what, &o.Range)
	case "shard_resolver":
		c.optionalURI(what, &o.Resolver)
	case "shard_metadata":
		if t, ok := c.option(what, KindMap); ok {
			o.Metadata = c.in.readDict(&t, 2)
		}
	default:
		return false
	}
	return true
}

// weight reads a number. One that is not above 0 becomes -1, since 0 means that
// there is none.
func (c *codec) weight(what string, v *float64) {
	t, ok := c.option(what, KindNumber)
	if !ok {
		return
	}
	switch n := t.value().(type) {
	case int64:
		*v = float64(n)
	case float64:
		*v = n
	}
	if !(*v > 0) {
		*v = -1
	}
}

func (c *codec) shardStrategy(what string, s *ShardStrategy) {
	t, ok := c.option(what, KindString)
	if !ok {
		return
	}
	switch string(c.in.plain(&t)) {
	case "hash":
		*s = ShardHash
	case "range":
		*s = ShardByRange
	case "custom":
		*s = ShardCustom
	default:
		*s = ShardUnknown
	}
}

func (c *codec) shardRange(what string, r **ShardRange) {
	t, ok := c.option(what, KindMap)
	if !ok {
		return
	}
	*r = new(ShardRange)
	for e := t.container(); c.in.next(&e); {
		switch key := c.in.key(); string(key) {
		case "from":
			c.key(what+".from", &(*r).From)
		case "to":
			c.key(what+".to", &(*r).To)
		case "type":
			c.optionalString(what+".type", &(*r).Type)
		default:
			c.in.skip(2)
		}
	}
}

func (c *codec) runMode(what string, m *RunMode) {
	t, ok := c.option(what, KindString)
	if !ok {
		return
	}
	switch string(c.in.plain(&t)) {
	case "partition":
		*m = RunPartition
	case "all":
		*m = RunAll
	default:
		*m = RunUnknown
	}
}

// entries returns how many entries writeShardOptions writes.
func (o *ShardOptions) entries() int {
	if o == nil {
		return 0
	}
	return 1 + count(o.Strategy != ShardHash, o.ID != "", o.Weight != 0, o.Concurrency != 0,
		o.Range != nil, o.Resolver != "", o.Metadata != nil)
}

func (w *writer) writeShardOptions(o *ShardOptions) {
	if o == nil {
		return
	}
	w.key("shard")
	w.string(o.Group)
	w.milliseconds("shard_concurrency", o.Concurrency)
	w.text("shard_id", o.ID)
	if o.Metadata != nil {
		w.key("shard_metadata")
		w.dict(o.Metadata)
	}
	w.writeShardRange(o.Range)
	w.text("shard_resolver", string(o.Resolver))
	if o.Strategy != ShardHash {
		w.text("shard_strategy", o.Strategy.String())
	}
	if o.Weight != 0 {
		w.key("shard_weight")
		w.any(o.Weight, 2)
	}
}

func (w *writer) writeShardRange(r *ShardRange) {
	if r == nil {
		return
	}
	w.key("shard_range")
	w.openMap(count(r.From != "", r.To != "", r.Type != ""))
	w.writeKey("from", r.From)
	w.writeKey("to", r.To)
	w.text("type", r.Type)
	w.closeMap()
}

// shardDetail reads the value of a key of INVOCATION.Details if it belongs to
// sharding, else it reports false.
func (c *codec) shardDetail(key []byte, details **ShardDetails) bool {
	name := string(key)
	if name != "shard" && name != "shard_id" && name != "rkey" {
		return false
	}
	if *details == nil {
		*details = &ShardDetails{Slot: -1}
	}
	d := *details
	switch name {
	case "shard_id":
		c.optionalString("Details.shard_id", &d.ID)
	case "rkey":
		c.key("Details.rkey", &d.Key)
	default:
		c.shardPlace(d)
	}
	return true
}

// shardPlace reads the dict of slot and epoch.
func (c *codec) shardPlace(d *ShardDetails) {
	t, ok := c.option("Details.shard", KindMap)
	if !ok {
		return
	}
	for e := t.container(); c.in.next(&e); {
		switch key := c.in.key(); string(key) {
		case "slot":
			if n, ok := c.optionalInteger("Details.shard.slot", math.MaxInt32); ok {
				d.Slot = int64(n) //nolint:gosec // at most MaxInt32
			}
		case "epoch":
			if n, ok := c.optionalInteger("Details.shard.epoch", uint64(MaxID)); ok {
				d.Epoch = n
			}
		default:
			c.in.skip(2)
		}
	}
}

// entries returns how many entries writeShardDetails writes.
func (d *ShardDetails) entries() int {
	if d == nil {
		return 0
	}
	return 2 + count(d.Key != "")
}

func (w *writer) writeShardDetails(d *ShardDetails) {
	if d == nil {
		return
	}
	w.writeKey("rkey", d.Key)
	w.key("shard")
	w.openMap(1 + count(d.Slot >= 0))
	w.key("epoch")
	w.uint(d.Epoch)
	if d.Slot >= 0 {
		w.key("slot")
		w.int(d.Slot)
	}
	w.closeMap()
	w.key("shard_id")
	w.string(d.ID)
}
