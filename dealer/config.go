package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The defaults of a Config.
const (
	DefaultKillGrace        = 5 * time.Second
	DefaultAckTimeout       = 5 * time.Second
	DefaultMaxRegistrations = 100_000
	DefaultMaxCalls         = 10_000
	DefaultMaxWaiting       = 1000
	DefaultMaxWaitingBytes  = 4 << 20
	DefaultMaxWait          = 10 * time.Second
	DefaultHandoverTimeout  = 5 * time.Second
	DefaultMaxGather        = 4 << 20

	DefaultMaxSubscriptions     = 10_000
	DefaultMaxSubscriptionsEach = 100
	DefaultMaxDescriptions      = 64 << 20
)

// A Config sets up a Dealer. The zero Config is a usable one.
type Config struct {
	// Realm names the realm in error texts.
	Realm wamp.URI

	// Strict takes the specification at its word: request ids count up
	// without gaps, a progressive CALL needs the announced feature, and
	// progressive features of callees count only together with call_canceling.
	// Otherwise real clients are met halfway: what they do counts as announced.
	Strict bool

	// Disclose says when callees learn who calls; default DiscloseBoth.
	Disclose DisclosePolicy

	// DiscloseFor are exceptions from Disclose. The rule counts whose pattern
	// is the most specific for the procedure that is called, ranked like
	// registrations; of two with the same pattern, the last.
	DiscloseFor []DiscloseRule

	// KillGrace is how long a CANCEL in mode "kill" waits for the callee's
	// answer, and how long after a forwarded timeout the dealer itself ends
	// the call. Default 5 s.
	KillGrace time.Duration

	// AckTimeout is how long a call with trust_level "acknowledged" waits for
	// the word that its callee has received it. Default 5 s.
	AckTimeout time.Duration

	// Trustlevels assign the number that callees are told as trustlevel; none
	// is told where no rule matches. The rule counts whose pattern is the most
	// specific, those for the caller's authrole before those for any.
	Trustlevels []TrustRule

	// MaxRegistrations bounds the places callees hold in registrations: each
	// accepted REGISTER takes one. Default 100,000.
	MaxRegistrations int

	// MaxCalls bounds the calls in flight. Default 10,000.
	MaxCalls int

	// MaxWaiting bounds the calls of a registration that wait until one of its
	// callees has room for them; only callees that registered a concurrency
	// let calls wait. Default 1,000.
	MaxWaiting int

	// MaxWaitingBytes bounds what the waiting calls of a registration hold;
	// those of the whole realm may hold 16 times as much. Default 4 MiB.
	MaxWaitingBytes int

	// MaxWait is how long a call waits for a callee, unless its timeout comes
	// earlier. Default 10 s.
	MaxWait time.Duration

	// MetaKill lets everybody who may call it use the part of the meta API
	// that ends what belongs to others: wamp.session.kill and the like, and
	// wamp.registration.remove_callee. Otherwise they are refused.
	MetaKill bool

	// MetaInside opens the meta API to sessions from inside the process, on
	// which HTTP calls run. Otherwise it is refused to them.
	MetaInside bool

	// MaySee reports whether somebody may know of the registration of a URI;
	// nil means that all may know of all. Lists, lookups and events leave out
	// what it hides. It is asked for each entry and must be quick.
	MaySee func(who wamp.Identity, uri wamp.URI) bool

	// MaxSubscriptions bounds the subscriptions of all sessions to events of
	// the meta API, and so what a REGISTER can cause. Default 10,000.
	MaxSubscriptions int

	// MaxSubscriptionsEach bounds those of one session. Default 100.
	MaxSubscriptionsEach int

	// MaxDescriptions bounds the bytes of all descriptions of procedures, each
	// of which has 16 KiB at most. Default 64 MiB.
	MaxDescriptions int

	// HandoverTimeout is how long calls of a shard that moves wait for those
	// that its old owner works on. Default 5 s.
	HandoverTimeout time.Duration

	// MaxGather bounds the bytes of the answers that a CALL to all members of
	// a shard group gathers. Default 4 MiB.
	MaxGather int

	// MaxCounted is how many procedures have their calls counted by
	// themselves; see [Dealer.ProcedureStats]. Default 0: none are.
	MaxCounted int

	// Epoch is what the epochs of shard groups count up from. The time in
	// milliseconds lets them grow over restarts, too.
	Epoch uint64

	// Rand returns a number from 0 to n-1 for the invocation policy "random"
	// and the ids of events. Without it that policy works as "roundrobin" and
	// these ids count up.
	Rand func(n int) int
}

func (c Config) withDefaults() Config {
	if c.KillGrace <= 0 {
		c.KillGrace = DefaultKillGrace
	}
	if c.AckTimeout <= 0 {
		c.AckTimeout = DefaultAckTimeout
	}
	if c.MaxRegistrations <= 0 {
		c.MaxRegistrations = DefaultMaxRegistrations
	}
	if c.MaxCalls <= 0 {
		c.MaxCalls = DefaultMaxCalls
	}
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = DefaultMaxWaiting
	}
	if c.MaxWaitingBytes <= 0 {
		c.MaxWaitingBytes = DefaultMaxWaitingBytes
	}
	if c.MaxWait <= 0 {
		c.MaxWait = DefaultMaxWait
	}
	if c.HandoverTimeout <= 0 {
		c.HandoverTimeout = DefaultHandoverTimeout
	}
	if c.MaxGather <= 0 {
		c.MaxGather = DefaultMaxGather
	}
	if c.MaxSubscriptions <= 0 {
		c.MaxSubscriptions = DefaultMaxSubscriptions
	}
	if c.MaxSubscriptionsEach <= 0 {
		c.MaxSubscriptionsEach = DefaultMaxSubscriptionsEach
	}
	if c.MaxDescriptions <= 0 {
		c.MaxDescriptions = DefaultMaxDescriptions
	}
	return c
}

// A Peer is a session as it joins a realm.
type Peer struct {
	ID       wamp.ID // unique in the realm
	Identity wamp.Identity
	Roles    wamp.Roles
	Agent    string // HELLO.Details.agent; known ones make up for what they fail to announce
	Local    bool   // inside this process: request ids need not be in sequence

	// Acknowledges says that somebody calls [Dealer.Acknowledged] when the
	// peer has received an INVOCATION with a Receipt.
	Acknowledges bool

	// Keeps says that the peer, which is inside this process, keeps persistent
	// calls. It gets them as INVOCATIONs with [wamp.Invocation.Kept], and an
	// EVENT without a subscription when somebody registers. There is at best
	// one in a realm, and it is on no list of sessions: to others it is a part
	// of the dealer.
	Keeps bool

	// Coordinates says that the peer, which is inside this process, coordinates
	// transactions: it gets these as one that keeps gets persistent calls.
	Coordinates bool
}
