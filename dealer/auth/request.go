package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Request is a message as far as rights go.
type Request struct {
	Action Action
	Match  wamp.MatchPolicy
	URI    wamp.URI
}

// RequestOf returns what a message asks for, or false for one that needs no
// rights of its own.
func RequestOf(m wamp.Message) (Request, bool) {
	switch m := m.(type) {
	case *wamp.Call:
		if aboutOwn(m.Procedure) {
			return Request{}, false
		}
		return Request{callAction(m.Procedure), wamp.MatchExact, m.Procedure}, true
	case *wamp.Register:
		action := Register
		if m.Options.Custom["_http"] != nil {
			action = RegisterHTTP
		}
		return Request{action, m.Options.Match, m.Procedure}, true
	case *wamp.Subscribe:
		return Request{Meta, m.Match, m.Topic}, true
	}
	return Request{}, false
}

// Vouched returns the calls that a REGISTER answers for: those of what ends a
// transaction, which are made later in nobody's name.
func Vouched(m *wamp.Register) []Request {
	o := m.Options.Transaction
	if o == nil {
		return nil
	}
	var all []Request
	for _, uri := range []wamp.URI{o.Compensate, o.Confirm, o.Cancel} {
		if uri != "" {
			all = append(all, Request{callAction(uri), wamp.MatchExact, uri})
		}
	}
	return all
}

// aboutOwn reports whether a procedure lets callees describe what they have
// registered, which they had to have the right to.
func aboutOwn(uri wamp.URI) bool { return uri == "gateway.describe" || uri == "wamp.reflect.define" }

// callAction returns what a CALL of uri is. The meta API is to be asked; what
// else it offers takes the right to administer.
func callAction(uri wamp.URI) Action {
	if !uri.Reserved() {
		return Call
	}
	switch uri[strings.LastIndexByte(string(uri), '.')+1:] {
	case "count", "list", "get", "lookup", "match", "list_callees", "count_callees",
		"list_subscribers", "count_subscribers", "describe":
		return Meta
	}
	return Admin
}

// Decide decides about a request.
func (r *Rights) Decide(q Request) *Decision { return r.MayAll(q.Action, q.Match, q.URI) }

// Limit keeps a call within its rule: it bounds the timeout and settles who is
// disclosed. It returns why the call cannot be made.
func (r *Rule) Limit(o *wamp.CallOptions) (wamp.URI, string) {
	switch r.Disclose {
	case DiscloseNo:
		if o.DiscloseMe {
			return wamp.ErrOptionDisallowedMe, "callers of this procedure are not disclosed"
		}
	case DiscloseYes:
		o.DiscloseMe = true
	}
	level := o.TrustLevel
	if o.Branch != nil {
		level = "transactional"
	}
	if len(r.TrustLevels) > 0 && !r.trusts(level) {
		return wamp.ErrOptionNotAllowed, "trust_level is none of " + strings.Join(r.TrustLevels, ", ")
	}
	if least := r.MinTimeout.Milliseconds(); o.Timeout > 0 && o.Timeout < least {
		return wamp.ErrOptionNotAllowed, fmt.Sprintf("the timeout is %d ms, and your role must leave a call of this procedure at least %d ms", o.Timeout, least)
	}
	if bound := r.MaxTimeout.Milliseconds(); bound > 0 && (o.Timeout <= 0 || o.Timeout > bound) {
		o.Timeout = bound
	}
	return "", ""
}

// trusts reports whether a call may ask for a trust level; the one that need
// not be asked for is best_effort.
func (r *Rule) trusts(level string) bool {
	if level == "" {
		level = "best_effort"
	}
	return slices.Contains(r.TrustLevels, level)
}
