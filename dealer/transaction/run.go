package transaction

import (
	"context"
	"fmt"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// askRun makes the calls of one shot, if its caller may make them all.
func (c *Coordinator) askRun(q *question) {
	b, text := c.newBegin(q)
	if text == "" {
		b.OneShot = true
		text = q.readCalls(b, c.largest)
	}
	if text != "" {
		q.refuse(wamp.ErrInvalidArgument, text, nil)
		return
	}
	w := &waiter{question: q, kind: waitRun}
	if c.known(b) {
		c.begin(b, w)
		return
	}
	var later []func(context.Context) router.Permit
	for i := range b.Calls {
		one := &b.Calls[i]
		if why, text := c.fit(q, b, one, &later); why != "" {
			q.refuse(why, text, wamp.Dict{"branch": int64(i + 1)})
			return
		}
	}
	if len(later) == 0 {
		c.begin(b, w)
		return
	}
	select {
	case c.asking <- struct{}{}:
	default:
		q.refuse(wamp.ErrUnavailable, "too many callers wait for the realm's authorizer", nil)
		return
	}
	c.work.Go(func() {
		defer func() { <-c.asking }()
		for i, ask := range later {
			if p := ask(c.ctx); p.Reason != "" {
				q.refuse(p.Reason, p.Text, wamp.Dict{"branch": int64(i + 1)})
				return
			}
		}
		c.begin(b, w)
	})
}

// fit says why a call of one shot cannot be made, and adds to later what has
// to be asked before.
func (c *Coordinator) fit(q *question, b *begin, one *call, later *[]func(context.Context) router.Permit) (wamp.URI, string) {
	o, registered := c.router.Transaction(b.Realm, one.Procedure)
	if why, text := c.unfit(one.Procedure, b.Mode, registered, o, one); why != "" {
		return why, text
	}
	m := &wamp.Call{Procedure: one.Procedure, Options: wamp.CallOptions{TrustLevel: "transactional", DiscloseMe: q.Options.DiscloseMe}}
	permit, ask := c.router.Permit(b.Realm, q.Caller, m)
	if ask != nil {
		*later = append(*later, ask)
	}
	one.Disclose = m.Options.DiscloseMe
	return permit.Reason, permit.Text
}

// readCalls reads the keyword argument calls as it came: what is not looked at
// is not decoded. It says what is wrong with it; largest bounds its bytes.
func (q *question) readCalls(b *begin, largest int) string {
	s := q.Payload.Serializer
	var list []byte
	if q.Payload.Kwargs != nil {
		for e, err := range s.Entries(q.Payload.Kwargs) {
			if err == nil && e.Key == "calls" {
				list = e.Value
			}
		}
	}
	if list == nil || s.Kind(list) != wamp.KindList {
		return "calls must be a list of {procedure, args, kwargs}"
	}
	all := digest("run "+b.Mode, "", payload{Args: list})
	for element, err := range s.Elements(list) {
		if err != nil || s.Kind(element) != wamp.KindMap {
			return fmt.Sprintf("calls[%d] is no dict", len(b.Calls))
		}
		if len(b.Calls) >= maxBranches {
			return fmt.Sprintf("a transaction has at most %d calls", maxBranches)
		}
		one, text := readCall(s, element)
		if text != "" {
			return fmt.Sprintf("calls[%d]: %s", len(b.Calls), text)
		}
		b.Calls = append(b.Calls, one)
	}
	switch {
	case len(b.Calls) == 0:
		return "calls is empty"
	case len(list) > largest:
		return fmt.Sprintf("the calls of a transaction have at most %d bytes", largest)
	}
	b.Digest = all
	return ""
}

func readCall(s wamp.Serializer, element []byte) (call, string) {
	one := call{Arguments: payload{Serializer: int(s)}}
	for e, err := range s.Entries(element) {
		switch kind := s.Kind(e.Value); {
		case err != nil:
			return one, err.Error()
		case kind == wamp.KindNull:
		case e.Key == "procedure" && kind == wamp.KindString:
			uri, _ := s.StringValue(e.Value)
			one.Procedure = wamp.URI(uri)
		case e.Key == "args" && kind == wamp.KindList:
			one.Arguments.Args = e.Value
		case e.Key == "kwargs" && kind == wamp.KindMap:
			one.Arguments.Kwargs = e.Value
		case e.Key == "procedure" || e.Key == "args" || e.Key == "kwargs":
			return one, e.Key + " has the wrong type"
		}
	}
	if !one.Procedure.Valid() {
		return one, "procedure is not the URI of one"
	}
	return one, ""
}
