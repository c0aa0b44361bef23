package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// An inFlightJSON is a call in flight in an answer.
type inFlightJSON struct {
	ID           string   `json:"id"` // over HTTP that of Wamp-Call-Id, else SESSION.REQUEST
	Realm        wamp.URI `json:"realm"`
	Procedure    wamp.URI `json:"procedure"`
	State        string   `json:"state"` // waiting, running or canceling
	Caller       wamp.ID  `json:"caller"`
	Request      wamp.ID  `json:"request"`
	Authid       string   `json:"caller_authid"`
	Authrole     string   `json:"caller_authrole"`
	Registration wamp.ID  `json:"registration,omitempty"`
	Callee       wamp.ID  `json:"callee,omitempty"`  // nobody yet, or several, if it is missing
	Members      int      `json:"members,omitempty"` // of a shard group, that work at a call of all of them
	Begun        string   `json:"begun"`
	Age          int64    `json:"age_ms"`
	Left         *int64   `json:"timeout_left_ms,omitempty"` // as long as it takes if it is missing
}

func newInFlightJSON(realm wamp.URI, now time.Time, c *dealer.InFlight, ids map[gateway.CallKey]string) inFlightJSON {
	j := inFlightJSON{
		ID: ids[gateway.CallKey{Session: c.Caller, Request: c.Request}], Realm: realm, Procedure: c.Procedure, State: c.Progress.String(),
		Caller: c.Caller, Request: c.Request, Authid: c.Identity.Authid, Authrole: c.Identity.Authrole,
		Registration: c.Registration, Callee: c.Callee, Members: c.Members, Begun: moment(c.Begun), Age: now.Sub(c.Begun).Milliseconds(),
	}
	if j.ID == "" {
		j.ID = fmt.Sprintf("%d.%d", c.Caller, c.Request)
	}
	if !c.Ends.IsZero() {
		left := max(c.Ends.Sub(now).Milliseconds(), 0)
		j.Left = &left
	}
	return j
}

// listCalls answers GET /admin/calls.
func (n *node) listCalls(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r, "limit", "after")
	if err != nil {
		return err
	}
	limit, err := q.limit()
	if err != nil {
		return err
	}
	var after dealer.CallPlace
	if text := q.values.Get("after"); text != "" {
		if _, err := fmt.Sscanf(text, "%d.%d", &after.Caller, &after.Request); err != nil {
			return errors.New("after is what an earlier answer named as next")
		}
	}
	list, next := n.router.Calls(q.realm, after, limit)
	ids, now := n.gateway.CallIDs(), time.Now()
	answer := struct {
		Realm wamp.URI       `json:"realm"`
		Calls []inFlightJSON `json:"calls"`
		Next  string         `json:"next,omitempty"`
	}{Realm: q.realm, Calls: make([]inFlightJSON, len(list))}
	for i := range list {
		answer.Calls[i] = newInFlightJSON(q.realm, now, &list[i], ids)
	}
	if next != (dealer.CallPlace{}) {
		answer.Next = fmt.Sprintf("%d.%d", next.Caller, next.Request)
	}
	return sendAdmin(w, http.StatusOK, answer)
}

// callKey returns which call the path of r names; a zero one is nobody's.
func (n *node) callKey(r *http.Request) (key gateway.CallKey) {
	id := r.PathValue("id")
	if key, ok := n.gateway.CallOf(id); ok {
		return key
	}
	session, request, _ := strings.Cut(id, ".")
	key.Session, _ = adminID(session)
	key.Request, _ = adminID(request)
	return key
}

// showCall answers GET /admin/calls/{id}.
func (n *node) showCall(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r)
	if err != nil {
		return err
	}
	key := n.callKey(r)
	c, ok := n.router.Call(q.realm, key.Session, key.Request)
	if !ok {
		return noCall()
	}
	return sendAdmin(w, http.StatusOK, newInFlightJSON(q.realm, time.Now(), &c, n.gateway.CallIDs()))
}

func noCall() error { return none(wamp.ErrNoSuchCall, "call in flight") }

// endCall answers DELETE /admin/calls/{id}: 204 when the call has ended, 202
// while its callee may still answer.
func (n *node) endCall(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r, "mode")
	if err != nil {
		return err
	}
	mode := wamp.CancelKill
	switch q.values.Get("mode") {
	case "", "kill":
	case "killnowait":
		mode = wamp.CancelKillNoWait
	case "skip":
		mode = wamp.CancelSkip
	default:
		return errors.New("mode is kill (the callee is interrupted, and its answer waited for), killnowait (not waited for) or skip (not interrupted)")
	}
	key := n.callKey(r)
	canceling, ok := n.router.EndCall(q.realm, key.Session, key.Request, mode)
	if !ok {
		return noCall()
	}
	n.log.InfoContext(r.Context(), "an administrator killed a call", "client", r.RemoteAddr, "realm", string(q.realm), "call", r.PathValue("id"), "mode", mode.String())
	if c, there := n.router.Call(q.realm, key.Session, key.Request); canceling && there {
		return sendAdmin(w, http.StatusAccepted, newInFlightJSON(q.realm, time.Now(), &c, n.gateway.CallIDs()))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
