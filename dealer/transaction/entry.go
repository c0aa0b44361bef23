package transaction

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A kind says what an entry tells of a transaction.
type kind string

const (
	kindBegin   kind = "begin"
	kindClaim   kind = "claim"   // a coordinator has taken the transaction over
	kindStart   kind = "start"   // a branch may have an effect from now on
	kindDone    kind = "done"    // its callee has answered with a result
	kindFailed  kind = "failed"  // its callee has refused: there is no effect
	kindTried   kind = "tried"   // a call of the branch has failed, and is made again
	kindDecide  kind = "decide"  // to commit, or to abort
	kindSettled kind = "settled" // the branch is confirmed, compensated or canceled
	kindEnd     kind = "end"
	kindForced  kind = "forced" // an operator has ended it as it was
)

// An entry is one step of a transaction.
type entry struct {
	Kind    kind      `json:"kind"`
	At      time.Time `json:"at"`
	Branch  int       `json:"branch,omitempty"` // from 1
	Begin   *begin    `json:"begin,omitempty"`
	Call    *call     `json:"call,omitempty"`   // of a start, unless it is the next one of begin
	Result  *payload  `json:"result,omitempty"` // or the arguments of an error
	Error   wamp.URI  `json:"error,omitempty"`
	Reached bool      `json:"reached,omitempty"` // a callee may have got the call that failed
	Commit  bool      `json:"commit,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// A begin is what is known of a transaction from its first entry on.
type begin struct {
	Realm   wamp.URI    `json:"realm"`
	Owner   string      `json:"owner"`
	ID      string      `json:"id"`  // of the owner alone
	UID     string      `json:"uid"` // of no other transaction ever: callees are told this one
	Mode    string      `json:"mode,omitempty"`
	Caller  wamp.Behalf `json:"caller"`
	Expires time.Time   `json:"expires"` // when it is aborted unless it is decided
	OneShot bool        `json:"one_shot,omitempty"`
	Single  bool        `json:"single,omitempty"` // one CALL with trust_level transactional
	Calls   []call      `json:"calls,omitempty"`
	Digest  string      `json:"digest,omitempty"` // of what must not differ under the same id
}

// A call is what a branch calls, and what ends that.
type call struct {
	Name      string                  `json:"name,omitempty"` // call_id
	Procedure wamp.URI                `json:"procedure"`
	Option    wamp.TransactionOptions `json:"option"` // as it was registered
	Disclose  bool                    `json:"disclose,omitempty"`
	Key       []byte                  `json:"key,omitempty"`
	Arguments payload                 `json:"arguments"`
	Digest    string                  `json:"digest,omitempty"`
}

// A payload is a wamp.Payload as it is stored.
type payload struct {
	Serializer int    `json:"serializer,omitempty"`
	Args       []byte `json:"args,omitempty"`
	Kwargs     []byte `json:"kwargs,omitempty"`
}

func stored(p wamp.Payload) payload { return payload{int(p.Serializer), p.Args, p.Kwargs} }

func (p *payload) wamp() wamp.Payload {
	if p == nil || p.Serializer == 0 {
		return wamp.Payload{}
	}
	return wamp.Payload{Serializer: wamp.Serializer(p.Serializer), Args: p.Args, Kwargs: p.Kwargs} //nolint:gosec // was one
}

// A batch is what is appended at once. Its nonce makes it differ from what any
// other coordinator would append.
type batch struct {
	Nonce   string  `json:"nonce"`
	Key     string  `json:"key"` // of the log
	Entries []entry `json:"entries"`
}

func readBatch(data []byte) (*batch, error) {
	b := new(batch)
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("an entry of a transaction cannot be read: %w", err)
	}
	return b, nil
}

// keyOf returns the key of a transaction's log.
func keyOf(realm wamp.URI, owner, id string) string {
	return string(realm) + "\x00" + owner + "\x00" + id
}
