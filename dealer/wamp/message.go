package wamp

import (
	"net/netip"
	"strconv"
)

// MessageType is the type code that opens every WAMP message (spec, section
// "Message Codes").
type MessageType uint16

// The message types of the basic and advanced profile.
const (
	TypeHello        MessageType = 1
	TypeWelcome      MessageType = 2
	TypeAbort        MessageType = 3
	TypeChallenge    MessageType = 4
	TypeAuthenticate MessageType = 5
	TypeGoodbye      MessageType = 6
	TypeError        MessageType = 8
	TypePublish      MessageType = 16
	TypePublished    MessageType = 17
	TypeSubscribe    MessageType = 32
	TypeSubscribed   MessageType = 33
	TypeUnsubscribe  MessageType = 34
	TypeUnsubscribed MessageType = 35
	TypeEvent        MessageType = 36
	TypeCall         MessageType = 48
	TypeCancel       MessageType = 49
	TypeResult       MessageType = 50
	TypeRegister     MessageType = 64
	TypeRegistered   MessageType = 65
	TypeUnregister   MessageType = 66
	TypeUnregistered MessageType = 67
	TypeInvocation   MessageType = 68
	TypeInterrupt    MessageType = 69
	TypeYield        MessageType = 70
)

// String returns the name the specification gives the type, such as "CALL",
// or "message type N" for a code it does not define.
func (t MessageType) String() string {
	if name, ok := typeName(t); ok {
		return name
	}
	return "message type " + strconv.Itoa(int(t))
}

func typeName(t MessageType) (string, bool) {
	switch t {
	case TypeHello:
		return "HELLO", true
	case TypeWelcome:
		return "WELCOME", true
	case TypeAbort:
		return "ABORT", true
	case TypeChallenge:
		return "CHALLENGE", true
	case TypeAuthenticate:
		return "AUTHENTICATE", true
	case TypeGoodbye:
		return "GOODBYE", true
	case TypeError:
		return "ERROR", true
	}
	if name, ok := pubsubName(t); ok {
		return name, true
	}
	return callName(t)
}

func pubsubName(t MessageType) (string, bool) {
	switch t {
	case TypePublish:
		return "PUBLISH", true
	case TypePublished:
		return "PUBLISHED", true
	case TypeSubscribe:
		return "SUBSCRIBE", true
	case TypeSubscribed:
		return "SUBSCRIBED", true
	case TypeUnsubscribe:
		return "UNSUBSCRIBE", true
	case TypeUnsubscribed:
		return "UNSUBSCRIBED", true
	case TypeEvent:
		return "EVENT", true
	}
	return "", false
}

func callName(t MessageType) (string, bool) {
	switch t {
	case TypeCall:
		return "CALL", true
	case TypeCancel:
		return "CANCEL", true
	case TypeResult:
		return "RESULT", true
	case TypeRegister:
		return "REGISTER", true
	case TypeRegistered:
		return "REGISTERED", true
	case TypeUnregister:
		return "UNREGISTER", true
	case TypeUnregistered:
		return "UNREGISTERED", true
	case TypeInvocation:
		return "INVOCATION", true
	case TypeInterrupt:
		return "INTERRUPT", true
	case TypeYield:
		return "YIELD", true
	}
	return "", false
}

// A Message is one WAMP message: a pointer to one of the structs of this
// package that is named like its type ([*Hello], [*Call], …).
type Message interface {
	// Type returns the message's type code.
	Type() MessageType
}

// A Payload holds a message's arguments in the encoding of their sender.
// The zero Payload is an absent one; an absent and an empty payload mean the
// same. The slices may alias a read buffer: whoever keeps a Payload beyond
// the call that handed it over copies them.
type Payload struct {
	Serializer Serializer // encoding of Args and Kwargs; irrelevant when both are nil

	// Args is one encoded list, or nil. A string or byte string takes its
	// place in the "payload transparency" form of autobahn; it is forwarded
	// untouched.
	Args []byte
	// Kwargs is one encoded map, or nil. It is only sent after Args.
	Kwargs []byte
}

// Hello opens a session: [HELLO, Realm|uri, Details|dict].
type Hello struct {
	Realm   URI
	Details Dict
}

// Welcome accepts a session: [WELCOME, Session|id, Details|dict].
type Welcome struct {
	Session ID
	Details Dict
}

// Abort ends a session, or refuses one, without an answer:
// [ABORT, Details|dict, Reason|uri]. It is sent with three elements, since
// autobahn-python refuses more; a payload is accepted and dropped.
type Abort struct {
	Details Dict
	Reason  URI
}

// Challenge asks a client to authenticate:
// [CHALLENGE, AuthMethod|string, Extra|dict].
type Challenge struct {
	AuthMethod string
	Extra      Dict
}

// Authenticate answers a Challenge: [AUTHENTICATE, Signature|string,
// Extra|dict].
type Authenticate struct {
	Signature string
	Extra     Dict
}

// Goodbye closes a session and is answered by one:
// [GOODBYE, Details|dict, Reason|uri].
type Goodbye struct {
	Details Dict
	Reason  URI
}

// Origin tells who produced an [Error]. It never goes over the wire; sessions
// inside the process read it, and one that keeps calls of others sets it.
type Origin uint8

// The origins of an Error.
const (
	// OriginCallee marks an ERROR that a callee sent.
	OriginCallee Origin = iota
	// OriginDealer marks an ERROR made by the dealer before any INVOCATION
	// was sent: the call may be repeated safely.
	OriginDealer
	// OriginDealerDispatched marks an ERROR made by the dealer after an
	// INVOCATION was sent: nobody knows how far the callee came.
	OriginDealerDispatched
)

// Error answers a request: [ERROR, REQUEST.Type|int, REQUEST.Request|id,
// Details|dict, Error|uri, Arguments|list, ArgumentsKw|dict].
type Error struct {
	RequestType MessageType
	Request     ID
	Details     Dict
	Error       URI
	Payload     Payload

	Origin Origin // not on the wire
	Served Served // neither
	Killed bool   // an administrator ended the call; neither, but Details says so
}

// Publish is [PUBLISH, Request|id, Options|dict, Topic|uri, Arguments|list,
// ArgumentsKw|dict]. The dealer refuses it; it is decoded to be answered.
type Publish struct {
	Request     ID
	Acknowledge bool
	Topic       URI
	Payload     Payload
}

// Published is [PUBLISHED, PUBLISH.Request|id, Publication|id].
type Published struct {
	Request     ID
	Publication ID
}

// Subscribe is [SUBSCRIBE, Request|id, Options|dict, Topic|uri].
type Subscribe struct {
	Request ID
	Match   MatchPolicy
	Topic   URI
}

// Subscribed is [SUBSCRIBED, SUBSCRIBE.Request|id, Subscription|id].
type Subscribed struct {
	Request      ID
	Subscription ID
}

// Unsubscribe is [UNSUBSCRIBE, Request|id, Subscription|id].
type Unsubscribe struct {
	Request      ID
	Subscription ID
}

// Unsubscribed is [UNSUBSCRIBED, UNSUBSCRIBE.Request|id].
type Unsubscribed struct {
	Request ID
}

// Event is [EVENT, Subscription|id, Publication|id, Details|dict,
// Arguments|list, ArgumentsKw|dict].
type Event struct {
	Subscription ID
	Publication  ID
	Details      Dict
	Payload      Payload
}

// Call asks for a procedure to be run: [CALL, Request|id, Options|dict,
// Procedure|uri, Arguments|list, ArgumentsKw|dict]. A Call with the Request
// of an open progressive one is its next chunk.
type Call struct {
	Request   ID
	Options   CallOptions
	Procedure URI
	Payload   Payload

	// From is where the call comes from, if those who share the session without
	// credentials are told apart by that. It is never on the wire.
	From netip.Addr
}

// CallOptions are the options of a Call that the dealer knows. Unknown keys
// are dropped when decoding, as the specification demands.
type CallOptions struct {
	Timeout         int64 // milliseconds; 0 means none
	ReceiveProgress bool
	Progress        bool // more chunks follow
	DiscloseMe      bool
	RunMode         RunMode // "runmode"; also read from "_runmode"

	// These ask for something that must be granted or refused, never ignored.
	TrustLevel string    // "trust_level", a delivery guarantee; also read from "_trust_level"
	RoutingKey Key       // "rkey"; also read from "shard_key", "_shard_key", "_rkey"
	Passthru   *Passthru // nil if not in use; also read from "passthru" and "_passthru"

	// Keep says how a call with trust_level "persistent" is kept; nil if no
	// option says anything.
	Keep *KeepOptions
	// Branch makes the call a part of a transaction; nil for all others.
	Branch *BranchOptions
	// Behalf is whom the call is made for by a session inside the process, and
	// who may be disclosed; nil for all others. It never goes over the wire.
	Behalf *Behalf

	Custom Dict // other keys that begin with "_", forwarded to the callee; nil if none
}

// KeepOptions are the options of a CALL that outlives its caller.
type KeepOptions struct {
	CallID    string // "call_id", chosen by the caller; empty if it has none
	Async     bool   // "async": the answer is that the call was accepted
	Expiry    int64  // "expiry": milliseconds from its acceptance; 0 means the default
	Delay     int64  // "delay": milliseconds from its acceptance until it is due
	NotBefore int64  // "not_before": when it is due, in milliseconds since 1970; 0 means at once
}

// BranchOptions are the options of a CALL within a transaction.
type BranchOptions struct {
	Transaction string // "transaction", its id; also read from "_transaction"
	Readonly    bool   // "readonly": the call changes nothing; also read from "_readonly"
}

// A Behalf is a session in whose name another one calls. It may have ended.
type Behalf struct {
	Session  ID
	Identity Identity
}

// Passthru says how a payload in payload passthru mode is encoded, between the
// caller and the callee: nobody on the way reads it (spec, "Payload Passthru
// Mode"). It is not changed once it is in a message.
type Passthru struct {
	Scheme     string // "ppt_scheme"; not empty
	Serializer string // "ppt_serializer"
	Cipher     string // "ppt_cipher"
	KeyID      string // "ppt_keyid"

	plain bool // the option "passthru" was read; false in a message
}

// CancelMode says how a call is to be cancelled (spec, "Call Canceling").
type CancelMode uint8

// The cancel modes. CancelDefault stands for a CANCEL that names none, and
// CancelUnknown for one that names something else.
const (
	CancelDefault CancelMode = iota
	CancelSkip
	CancelKill
	CancelKillNoWait
	CancelUnknown
)

// String returns the mode as it is written on the wire; the empty string for
// CancelDefault.
func (m CancelMode) String() string {
	switch m {
	case CancelSkip:
		return "skip"
	case CancelKill:
		return "kill"
	case CancelKillNoWait:
		return "killnowait"
	case CancelUnknown:
		return "unknown"
	}
	return ""
}

// Cancel asks for a call to be cancelled: [CANCEL, CALL.Request|id,
// Options|dict].
type Cancel struct {
	Request ID
	Mode    CancelMode
}

// Result answers a Call: [RESULT, CALL.Request|id, Details|dict,
// Arguments|list, ArgumentsKw|dict].
type Result struct {
	Request ID
	Details ResultDetails
	Payload Payload

	Served Served // not on the wire
}

// Served tells who answered a call. It is zero where nobody did, or several.
type Served struct {
	Registration ID
	Callee       ID // its session
}

// ResultDetails are the details of a Result.
type ResultDetails struct {
	Progress     bool      // more results follow
	Acknowledged bool      // the callee has received the call, which had asked for that
	Passthru     *Passthru // nil if not in use

	Custom Dict // keys that begin with "_"; nil if none
}

// MatchPolicy says how a registration's URI is compared with a call's.
type MatchPolicy uint8

// The match policies.
const (
	MatchExact MatchPolicy = iota
	MatchPrefix
	MatchWildcard
)

// String returns the policy as it is written on the wire.
func (p MatchPolicy) String() string {
	switch p {
	case MatchPrefix:
		return "prefix"
	case MatchWildcard:
		return "wildcard"
	}
	return "exact"
}

// InvokePolicy says which callee of a shared registration gets a call (spec,
// "Shared Registration").
type InvokePolicy uint8

// The invocation policies. InvokeUnknown stands for a REGISTER that names
// something else; it is answered with an ERROR.
const (
	InvokeSingle InvokePolicy = iota
	InvokeRoundRobin
	InvokeRandom
	InvokeFirst
	InvokeLast
	InvokeLeastLoaded // the fewest invocations in flight; not in the specification
	InvokeUnknown
)

// String returns the policy as it is written on the wire.
func (p InvokePolicy) String() string {
	switch p {
	case InvokeRoundRobin:
		return "roundrobin"
	case InvokeRandom:
		return "random"
	case InvokeFirst:
		return "first"
	case InvokeLast:
		return "last"
	case InvokeLeastLoaded:
		return "least_loaded"
	case InvokeUnknown:
		return "unknown"
	}
	return "single"
}

// Register offers a procedure: [REGISTER, Request|id, Options|dict,
// Procedure|uri].
type Register struct {
	Request   ID
	Options   RegisterOptions
	Procedure URI
}

// RegisterOptions are the options of a Register that the dealer knows.
type RegisterOptions struct {
	Match          MatchPolicy
	Invoke         InvokePolicy // "invoke"; "_invoke" goes first
	DiscloseCaller bool         // also read from "_disclose_caller"
	ForwardTimeout bool         // also read from "_forward_timeout"
	Force          bool         // "force_reregister": present callees have to go; also read from "_force_reregister"
	Concurrency    int          // most INVOCATIONs at once; 0 means no limit; also read from "_concurrency"

	Shard *ShardOptions // nil if no option of sharding was given

	// Transaction says how transactions end what a call has done; nil if they
	// cannot call the procedure.
	Transaction *TransactionOptions

	Custom Dict // other keys that begin with "_"; nil if none
}

// TransactionOptions name the procedures that transactions call after a call:
// Compensate alone, or Confirm and Cancel. They are "transaction" of REGISTER;
// also read from "_transaction".
type TransactionOptions struct {
	Compensate URI   // "compensate": undoes what a call has done
	Confirm    URI   // "confirm": makes good what a call has reserved
	Cancel     URI   // "cancel": lets go of what a call has reserved
	ReserveTTL int64 // "reserve_ttl": milliseconds that a reservation lasts by itself; 0 means any time
}

// ConcurrencyUnknown stands for a concurrency that is no positive integer; a
// REGISTER with it is answered with an ERROR.
const ConcurrencyUnknown = -1

// Registered is [REGISTERED, REGISTER.Request|id, Registration|id].
type Registered struct {
	Request      ID
	Registration ID
}

// Unregister is [UNREGISTER, Request|id, Registration|id].
type Unregister struct {
	Request      ID
	Registration ID
}

// Unregistered is [UNREGISTERED, UNREGISTER.Request|id], or with Request 0 a
// revocation: [UNREGISTERED, 0, Details|dict].
type Unregistered struct {
	Request ID
	Details Dict // only with Request 0
}

// Invocation hands a call to a callee: [INVOCATION, Request|id,
// REGISTERED.Registration|id, Details|dict, Arguments|list,
// ArgumentsKw|dict].
type Invocation struct {
	Request      ID
	Registration ID
	Details      InvocationDetails
	Shard        *ShardDetails // more of Details; nil unless the registration is sharded
	Payload      Payload

	// Receipt is the session that is to report that it has received the
	// message, or 0 if nobody asks. It never goes over the wire by itself: the
	// session's transport sees to it.
	Receipt ID

	// Kept is the CALL of an Invocation that goes to who keeps persistent
	// calls, or coordinates transactions; nil for all others. It never goes
	// over the wire.
	Kept *KeptCall
}

// A KeptCall is what who keeps a persistent call, or makes it as part of a
// transaction, has to know of it beside its procedure and payload.
type KeptCall struct {
	Caller  Behalf
	Options CallOptions

	// Registered says whether the call would have a registration to go to now,
	// and Transaction how that was registered. Only calls that are part of a
	// transaction have them.
	Registered  bool
	Transaction *TransactionOptions
}

// InvocationDetails are the details of an Invocation.
type InvocationDetails struct {
	Procedure       URI
	ReceiveProgress bool
	Progress        bool  // more chunks follow
	HasTrustlevel   bool  // Trustlevel is given
	Trustlevel      int32 // from 0, that the router assigned; no guarantee of delivery
	Timeout         int64 // milliseconds; 0 means not forwarded

	Caller         ID // 0 means not disclosed
	CallerAuthid   string
	CallerAuthrole string

	Passthru *Passthru // nil if not in use

	Custom Dict // keys that begin with "_"; nil if none
}

// Interrupt asks a callee to stop: [INTERRUPT, INVOCATION.Request|id,
// Options|dict].
type Interrupt struct {
	Request ID
	Mode    CancelMode
	Reason  URI
}

// Yield is a callee's answer: [YIELD, INVOCATION.Request|id, Options|dict,
// Arguments|list, ArgumentsKw|dict].
type Yield struct {
	Request ID
	Options YieldOptions
	Payload Payload
}

// YieldOptions are the options of a Yield.
type YieldOptions struct {
	Progress bool      // more answers follow
	Passthru *Passthru // nil if not in use

	Custom Dict // keys that begin with "_", forwarded to the caller; nil if none
}

// Type returns TypeHello.
func (*Hello) Type() MessageType { return TypeHello }

// Type returns TypeWelcome.
func (*Welcome) Type() MessageType { return TypeWelcome }

// Type returns TypeAbort.
func (*Abort) Type() MessageType { return TypeAbort }

// Type returns TypeChallenge.
func (*Challenge) Type() MessageType { return TypeChallenge }

// Type returns TypeAuthenticate.
func (*Authenticate) Type() MessageType { return TypeAuthenticate }

// Type returns TypeGoodbye.
func (*Goodbye) Type() MessageType { return TypeGoodbye }

// Type returns TypeError.
func (*Error) Type() MessageType { return TypeError }

// Type returns TypePublish.
func (*Publish) Type() MessageType { return TypePublish }

// Type returns TypePublished.
func (*Published) Type() MessageType { return TypePublished }

// Type returns TypeSubscribe.
func (*Subscribe) Type() MessageType { return TypeSubscribe }

// Type returns TypeSubscribed.
func (*Subscribed) Type() MessageType { return TypeSubscribed }

// Type returns TypeUnsubscribe.
func (*Unsubscribe) Type() MessageType { return TypeUnsubscribe }

// Type returns TypeUnsubscribed.
func (*Unsubscribed) Type() MessageType { return TypeUnsubscribed }

// Type returns TypeEvent.
func (*Event) Type() MessageType { return TypeEvent }

// Type returns TypeCall.
func (*Call) Type() MessageType { return TypeCall }

// Type returns TypeCancel.
func (*Cancel) Type() MessageType { return TypeCancel }

// Type returns TypeResult.
func (*Result) Type() MessageType { return TypeResult }

// Type returns TypeRegister.
func (*Register) Type() MessageType { return TypeRegister }

// Type returns TypeRegistered.
func (*Registered) Type() MessageType { return TypeRegistered }

// Type returns TypeUnregister.
func (*Unregister) Type() MessageType { return TypeUnregister }

// Type returns TypeUnregistered.
func (*Unregistered) Type() MessageType { return TypeUnregistered }

// Type returns TypeInvocation.
func (*Invocation) Type() MessageType { return TypeInvocation }

// Type returns TypeInterrupt.
func (*Interrupt) Type() MessageType { return TypeInterrupt }

// Type returns TypeYield.
func (*Yield) Type() MessageType { return TypeYield }
