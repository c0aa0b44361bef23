package transaction

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/wamp"
)

const maxList = 1000

// arrive handles a CALL that was handed over.
func (c *Coordinator) arrive(ctx context.Context, a *arrival) {
	if err := c.opening.Look(ctx, c.ctx, a.holds(c), c.openLog); err != nil {
		c.log.Error("transactions cannot be coordinated", "err", err)
		a.agent.refuse(a.Invocation, wamp.ErrUnavailable, custody.Told(err, "transactions cannot be kept now; the gateway's log says why"), nil)
		return
	}
	q := &question{arrival: a, who: a.Caller.Identity}
	o := &a.Options
	switch {
	case o.Branch != nil:
		c.askBranch(q)
	case o.TrustLevel == "transactional":
		c.askSingle(q)
	default:
		c.asked(q)
	}
}

// holds reports whether there may be what a CALL asks for; who begins something
// has the log opened in any case.
func (a *arrival) holds(c *Coordinator) func() bool {
	switch {
	case a.Options.Branch != nil:
		return c.config.Holds
	case a.Options.TrustLevel == "transactional", a.Procedure == "wampgate.tx.run", a.Procedure == "wampgate.tx.begin":
		return func() bool { return true }
	}
	return c.config.Holds
}

// A question is what somebody wants of the coordinator.
type question struct {
	*arrival
	who    wamp.Identity
	args   []any
	kwargs wamp.Dict
}

func (q *question) refuse(why wamp.URI, text string, more wamp.Dict) {
	q.agent.refuse(q.Invocation, why, text, more)
}

func (q *question) yield(result any) {
	p, err := wamp.NewPayload(wamp.JSON, []any{result}, nil)
	if err != nil {
		q.refuse(wamp.ErrRuntimeError, err.Error(), nil)
		return
	}
	q.agent.yield(q.Invocation, p, nil)
}

func (c *Coordinator) asked(q *question) {
	var err error
	if q.args, q.kwargs, err = q.Payload.Decode(); err != nil {
		q.refuse(wamp.ErrInvalidArgument, "the arguments cannot be read: "+err.Error(), nil)
		return
	}
	switch strings.TrimPrefix(string(q.Procedure), "wampgate.tx.") {
	case "run":
		c.askRun(q)
	case "begin":
		c.askBegin(q)
	case "commit":
		c.askAbout(q, c.commit)
	case "rollback":
		c.askAbout(q, c.rollback)
	case "get":
		c.askAbout(q, func(q *question, t *tx) { d := t.shown.Dict(); c.mu.Later(func() { q.yield(d) }) })
	case "wait":
		c.askAbout(q, c.wait)
	case "force_end":
		c.askAbout(q, c.forceEnd)
	case "list":
		c.askList(q)
	default:
		q.refuse(wamp.ErrNoSuchProcedure, "no procedure "+string(q.Procedure), nil)
	}
}

// askAbout finds the transaction that a question is about.
func (c *Coordinator) askAbout(q *question, then func(*question, *tx)) {
	id, ok := q.kwargs.String("id")
	if len(q.args) > 0 {
		id, ok = q.args[0].(string)
	}
	if !ok || id == "" {
		q.refuse(wamp.ErrInvalidArgument, "argument 0 must be the id of a transaction, a string", nil)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.lookup(q.agent.Realm, q.who, id)
	if t == nil || t.shown.State == "" {
		c.mu.Later(func() { q.refuse(wamp.ErrNoSuchTransaction, "no such transaction", nil) })
		return
	}
	then(q, t)
}

func (c *Coordinator) askList(q *question) {
	limit := int64(maxList)
	if n, given := q.kwargs.Int("limit"); given {
		limit = n
	}
	only, _ := q.kwargs.String("state")
	if limit < 1 || limit > maxList {
		q.refuse(wamp.ErrInvalidArgument, fmt.Sprintf("limit must be an integer from 1 to %d", maxList), nil)
		return
	}
	c.mu.Lock()
	all := c.list(q.agent.Realm, q.who, State(only), int(limit))
	c.mu.Unlock()
	q.yield(all)
}

// commit answers when it is decided what becomes of the transaction.
func (c *Coordinator) commit(q *question, t *tx) {
	c.wake(t, &waiter{question: q, kind: waitCommit})
	c.take(t, func(s *state) []entry { s.wanted = s.state == Active; return nil })
}

func (c *Coordinator) rollback(q *question, t *tx) {
	c.wake(t, &waiter{question: q, kind: waitRollback})
	c.take(t, func(s *state) []entry {
		if s.state != Active {
			return nil
		}
		return []entry{{Kind: kindDecide, At: time.Now().UTC(), Reason: reasonRollback}}
	})
}

func (c *Coordinator) wait(q *question, t *tx) {
	timeout, text := q.timeout(30*time.Second, 1)
	if text != "" {
		c.mu.Later(func() { q.refuse(wamp.ErrInvalidArgument, text, nil) })
		return
	}
	w := &waiter{question: q, kind: waitEnd}
	if c.wake(t, w); w.answered {
		return
	}
	w.limit(c, timeout)
	c.answerWaiters(t)
}

func (c *Coordinator) forceEnd(q *question, t *tx) {
	reason, _ := q.kwargs.String("reason")
	if len(q.args) > 1 {
		reason, _ = q.args[1].(string)
	}
	switch {
	case q.who.Authrole != custody.AdminRole:
		c.mu.Later(func() { q.refuse(wamp.ErrNotAuthorized, "only the role admin may end a transaction by force", nil) })
		return
	case reason == "":
		c.mu.Later(func() { q.refuse(wamp.ErrInvalidArgument, "argument 1 must say why, for those who come after", nil) })
		return
	}
	c.wake(t, &waiter{question: q, kind: waitEnd})
	c.take(t, func(s *state) []entry {
		if s.state.final() {
			return nil
		}
		c.log.Error("a transaction was ended by force", "transaction", s.ID, "realm", string(s.Realm), "state", string(s.state),
			"by", q.who.Authid, "reason", reason, "undone", fmt.Sprint(s.tasks()))
		return []entry{{Kind: kindForced, At: time.Now().UTC(), Reason: reason}}
	})
}

// timeout returns the keyword argument or argument i of that name.
func (q *question) timeout(d time.Duration, i int) (time.Duration, string) {
	said := q.kwargs["timeout"]
	if said == nil && i < len(q.args) {
		said = q.args[i]
	}
	if said == nil {
		return d, ""
	}
	ms, _ := wamp.Dict{"timeout": said}.Int("timeout") // 0 if it is none
	if ms < 1 || ms > maxTimeout.Milliseconds() {
		return 0, fmt.Sprintf("timeout must be whole milliseconds, from 1 to %d", maxTimeout.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, ""
}

// text returns the keyword argument of that name, which is a string or absent.
func (q *question) text(name string) (value string, ok bool) {
	if q.kwargs[name] == nil {
		return "", true
	}
	return q.kwargs.String(name)
}

// newBegin reads what run and begin have in common.
func (c *Coordinator) newBegin(q *question) (*begin, string) {
	b := &begin{Realm: q.agent.Realm, Owner: custody.Owner(q.who), UID: "tx_" + randomHex(), Caller: q.Caller}
	var idOK, modeOK bool
	b.ID, idOK = q.text("id")
	b.Mode, modeOK = q.text("mode")
	timeout, text := q.timeout(c.config.Timeout, len(q.args))
	switch {
	case text != "":
		return nil, text
	case !idOK || !modeOK:
		return nil, "id and mode must be strings"
	case b.Mode != "" && b.Mode != modeSaga && b.Mode != modeTCC:
		return nil, "mode is none of saga, tcc"
	case len(b.ID) > 255 || strings.ContainsFunc(b.ID, func(r rune) bool { return r < '!' || r > '~' }):
		return nil, "id has more than 255 bytes, or characters other than visible ASCII"
	}
	if b.ID == "" {
		b.ID = b.UID
	}
	b.Expires = time.Now().Add(timeout).UTC()
	return b, ""
}

func (c *Coordinator) askBegin(q *question) {
	b, text := c.newBegin(q)
	if text != "" {
		q.refuse(wamp.ErrInvalidArgument, text, nil)
		return
	}
	b.Digest = "begin " + b.Mode
	c.begin(b, &waiter{question: q, kind: waitBegin})
}

// begin begins a transaction, or attaches w to the one that has its id.
func (c *Coordinator) begin(b *begin, w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := keyOf(b.Realm, b.Owner, b.ID)
	if t := c.byKey[key]; t != nil {
		if t.state.Digest != b.Digest {
			c.mu.Later(func() {
				w.refuse(wamp.ErrIdempotencyConflict, "this id stands for another transaction; take a new one for a new transaction", wamp.Dict{"transaction": b.ID})
			})
			return
		}
		c.wake(t, w)
		c.answerWaiters(t)
		return
	}
	if c.inFlight.Draining() || c.open >= c.config.MaxOpen {
		c.stats.Refused++
		c.mu.Later(func() {
			w.refuse(wamp.ErrUnavailable, "the gateway is shutting down, or has as many open transactions as it may; nothing was begun", nil)
		})
		return
	}
	t := &tx{key: key, agent: w.agent, attempts: make(map[task]*attempt)}
	t.state.ID, t.state.Realm, t.state.Owner, t.state.Digest = b.ID, b.Realm, b.Owner, b.Digest
	c.byKey[key] = t
	c.open++
	c.wake(t, w)
	c.take(t, func(*state) []entry { return []entry{{Kind: kindBegin, At: time.Now().UTC(), Begin: b}} })
}

// askSingle makes a call that is a transaction by itself.
func (c *Coordinator) askSingle(q *question) {
	q.kwargs = wamp.Dict{}
	if o := q.Options; o.Keep != nil {
		q.kwargs["id"] = o.Keep.CallID
	}
	if ms := q.Options.Timeout; ms > 0 {
		q.kwargs["timeout"] = min(ms, maxTimeout.Milliseconds())
	}
	b, text := c.newBegin(q)
	if text != "" {
		q.refuse(wamp.ErrInvalidArgument, text, nil)
		return
	}
	one := q.call()
	b.OneShot, b.Single, b.Calls, b.Digest = true, true, []call{one}, "single "+one.Digest
	w := &waiter{question: q, kind: waitRun}
	if !c.known(b) {
		if why, text := c.unfit(q.Procedure, b.Mode, q.Registered, q.Transaction, &one); why != "" {
			q.refuse(why, text, nil)
			return
		}
	}
	c.begin(b, w)
}

func (c *Coordinator) known(b *begin) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byKey[keyOf(b.Realm, b.Owner, b.ID)] != nil
}

// call returns the branch that a CALL makes.
func (q *question) call() call {
	o := &q.Options
	b := call{Procedure: q.Procedure, Disclose: o.DiscloseMe, Key: []byte(o.RoutingKey), Arguments: stored(q.Payload)}
	if o.Keep != nil {
		b.Name = o.Keep.CallID
	}
	if q.Transaction != nil {
		b.Option = *q.Transaction
	}
	b.Digest = digest(string(b.Procedure), string(b.Key), b.Arguments)
	return b
}

func digest(procedure, key string, p payload) string {
	h := sha256.New()
	for _, part := range []string{procedure, key, string(p.Args), string(p.Kwargs)} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// unfit says why a procedure cannot be called in a transaction.
func (c *Coordinator) unfit(uri wamp.URI, mode string, registered bool, o *wamp.TransactionOptions, b *call) (wamp.URI, string) {
	switch {
	case !registered:
		return wamp.ErrNoSuchProcedure, "no procedure " + string(uri)
	case o == nil:
		return wamp.ErrNotTransactional, string(uri) + " is not registered for transactions: its REGISTER has no option transaction"
	case mode == modeSaga && o.Confirm != "", mode == modeTCC && o.Confirm == "":
		return wamp.ErrNotTransactional, string(uri) + " is not registered for transactions of mode " + mode
	case len(b.Arguments.Args)+len(b.Arguments.Kwargs) > c.largest:
		return wamp.ErrPayloadSizeExceeded, fmt.Sprintf("a call in a transaction has at most %d bytes of arguments", c.largest)
	}
	b.Option = *o
	return "", ""
}

// askBranch makes a call within a transaction.
func (c *Coordinator) askBranch(q *question) {
	o := &q.Options
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.lookup(q.agent.Realm, q.who, o.Branch.Transaction)
	if t == nil || t.shown.State == "" {
		c.mu.Later(func() { q.refuse(wamp.ErrNoSuchTransaction, "no such transaction", nil) })
		return
	}
	if o.Branch.Readonly {
		c.read(q, t)
		return
	}
	b, w := q.call(), &waiter{question: q, kind: waitBranch}
	if c.wake(t, w); w.answered { // what was refused must have no effect
		return
	}
	if o.Timeout > 0 {
		w.limit(c, time.Duration(o.Timeout)*time.Millisecond)
	}
	c.take(t, func(s *state) []entry { return c.startBranch(s, w, b) })
}

// startBranch finds the branch that w asks for, or starts it.
func (c *Coordinator) startBranch(s *state, w *waiter, b call) []entry {
	if w.answered {
		return nil // its caller has left before it began
	}
	q := w.question
	for i, other := range s.branches {
		if b.Name != "" && other.Name == b.Name {
			if other.Digest != b.Digest {
				c.dismiss(w, wamp.ErrIdempotencyConflict, "this call_id stands for another call of the transaction")
			}
			w.branch = i + 1
			return nil
		}
	}
	switch why, text := c.unfit(q.Procedure, s.Mode, q.Registered, q.Transaction, &b); {
	case s.state != Active:
		return nil // whoever has no branch is told of the end
	case s.wanted || s.OneShot:
		c.dismiss(w, wamp.ErrTransactionEnded, endedText)
	case len(s.branches) >= maxBranches:
		c.dismiss(w, wamp.ErrUnavailable, fmt.Sprintf("a transaction has at most %d calls", maxBranches))
	case why != "":
		c.dismiss(w, why, text)
	default:
		w.branch = len(s.branches) + 1
		return []entry{{Kind: kindStart, At: time.Now().UTC(), Branch: w.branch, Call: &b}}
	}
	return nil
}

// read makes a call that changes nothing, in its caller's name, if the
// transaction is active.
func (c *Coordinator) read(q *question, t *tx) {
	if t.shown.State != Active {
		c.mu.Later(func() {
			q.refuse(wamp.ErrTransactionEnded, endedText, wamp.Dict{"transaction": t.shown.ID, "state": string(t.shown.State)})
		})
		return
	}
	g, o := q.agent, &q.Options
	g.last = g.last.Next()
	w := &waiter{question: q, kind: waitBranch, reads: g.last}
	g.readers[g.last], g.waiting[q.Invocation] = w, w
	caller := q.Caller
	m := &wamp.Call{Request: g.last, Procedure: q.Procedure, Payload: q.Payload, Options: wamp.CallOptions{
		Timeout: max(o.Timeout, 0), DiscloseMe: o.DiscloseMe, RoutingKey: o.RoutingKey, Behalf: &caller, Custom: o.Custom,
	}}
	if left := time.Until(t.shown.Expires).Milliseconds(); m.Options.Timeout == 0 || m.Options.Timeout > left {
		m.Options.Timeout = max(left, 1)
	}
	c.mu.Later(func() { _ = g.Submit(m) }) // fails when the session is over
}

const endedText = "the transaction is not active any more"
