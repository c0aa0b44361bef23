package wamp

// ShardOptions are the options of a [Register] that make its callee a member
// of a shard group. All of them are also read with a leading "_".
type ShardOptions struct {
	Group       string        // "shard"
	Strategy    ShardStrategy // "shard_strategy"
	ID          string        // "shard_id", who the member is over many sessions; empty if not given
	Weight      float64       // "shard_weight"; 0 if not given, -1 if it is not above 0
	Concurrency int64         // "shard_concurrency", calls of one key at a time; 0 if not given
	Range       *ShardRange   // "shard_range"; nil if not given
	Resolver    URI           // "shard_resolver"
	Metadata    Dict          // "shard_metadata", what the resolver is told of the member
}

// A ShardRange is a half-open interval of keys.
type ShardRange struct {
	From, To Key    // To is beyond the range; none means no bound
	Type     string // "number", "string" or "uuid"
}

// ShardStrategy says how a key leads to a member of a shard group.
type ShardStrategy uint8

// The strategies. ShardUnknown stands for a REGISTER that names something
// else; it is answered with an ERROR.
const (
	ShardHash ShardStrategy = iota
	ShardByRange
	ShardCustom
	ShardUnknown
)

// String returns the strategy as it is written on the wire.
func (s ShardStrategy) String() string {
	return []string{"hash", "range", "custom", "unknown"}[min(s, ShardUnknown)]
}

// RunMode says which members of a shard group a call goes to.
type RunMode uint8

// The run modes. RunDefault stands for a CALL that names none, and RunUnknown
// for one that names something else.
const (
	RunDefault   RunMode = iota
	RunPartition         // the one that owns the key
	RunAll               // every one
	RunUnknown
)

// String returns the mode as it is written on the wire; "" for RunDefault.
func (m RunMode) String() string {
	return []string{"", "partition", "all", "unknown"}[min(m, RunUnknown)]
}

// ShardDetails tell a callee as which member of a shard group, and for which
// key, it is called.
type ShardDetails struct {
	ID    string // "shard_id"
	Key   Key    // "rkey"; none if all members are called
	Slot  int64  // "shard.slot", with strategy hash; -1 if there is none
	Epoch uint64 // "shard.epoch", which grows whenever the members change
}
