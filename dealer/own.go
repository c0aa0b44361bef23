package dealer

import (
	"fmt"
	"math"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The bounds of the dealer's own procedures: what one of them works on while
// all others wait is no more than this.
const (
	maxOwnArguments = 64 << 10 // bytes
	maxPage         = 10_000   // entries of a list that are looked at
)

// describeURI is the one procedure of the dealer that lies outside the
// namespace "wamp".
const describeURI wamp.URI = "gateway.describe"

// An ownCall is a CALL of one of the dealer's own procedures.
type ownCall struct {
	now    time.Time
	from   *session
	args   []any
	kwargs wamp.Dict

	next wamp.ID // where a list goes on that did not fit; 0 if it did
	then func()  // what is done when the answer has gone out; may be nil
}

// An ownProcedure answers a call: with arguments, or with a refusal.
type ownProcedure func(*Dealer, *ownCall) ([]any, refusal)

// own answers a CALL of one of the dealer's own procedures. It reports whether
// there is one with that name.
func (d *Dealer) own(now time.Time, s *session, m *wamp.Call) bool {
	run, kills := ownProcedureOf(m.Procedure)
	if run == nil {
		return d.askKeeper(now, s, m)
	}
	c := &ownCall{now: now, from: s}
	why := d.checkOwn(s, m, kills)
	if why.uri == "" {
		why = c.read(m.Payload)
	}
	var args []any
	if why.uri == "" {
		args, why = run(d, c)
	}
	if why.uri != "" {
		d.refuseCall(now, s, m, why)
		return true
	}
	d.stats.Ended[EndedByResult]++
	r := d.out.result(s)
	r.Request = m.Request
	r.Details.Acknowledged = m.Options.TrustLevel == trustAcknowledged // nobody had to receive it
	var kwargs wamp.Dict
	if c.next != 0 {
		kwargs = wamp.Dict{"next": c.next}
	}
	r.Payload, _ = wamp.NewPayload(wamp.JSON, args, kwargs) // its types all have a form
	if c.then != nil {
		c.then()
	}
	return true
}

// ownProcedureOf returns the dealer's own procedure of that name, nil if there
// is none, and whether it ends what belongs to others.
func ownProcedureOf(uri wamp.URI) (run ownProcedure, kills bool) {
	if uri == describeURI {
		return (*Dealer).define, false
	}
	if !uri.Reserved() {
		return nil, false
	}
	if run, kills = sessionProcedure(uri); run != nil {
		return run, kills
	}
	if run, kills = registrationProcedure(uri); run != nil {
		return run, kills
	}
	return reflectionProcedure(uri), false
}

// checkOwn returns what speaks against a call of one of the dealer's own
// procedures before its arguments are looked at.
func (d *Dealer) checkOwn(s *session, m *wamp.Call, kills bool) refusal {
	switch {
	case s.inside && !d.config.MetaInside:
		return notInside(m.Procedure)
	case kills && !d.config.MetaKill:
		return refusal{wamp.ErrNotAuthorized, "nobody may call " + quote(m.Procedure) + " here; the setting meta-kill allows it"}
	case m.Options.Progress:
		return refusal{wamp.ErrFeatureNotSupported, quote(m.Procedure) + " takes no progressive calls"}
	case m.Options.Passthru != nil:
		return refusal{wamp.ErrFeatureNotSupported, quote(m.Procedure) + " does not take payload passthru mode"}
	case len(m.Payload.Args)+len(m.Payload.Kwargs) > maxOwnArguments:
		return refusal{wamp.ErrInvalidArgument, fmt.Sprintf("the arguments have more than %d bytes", maxOwnArguments)}
	}
	return d.checkOptions(m)
}

// notInside refuses the meta API to a session inside the process.
func notInside(uri wamp.URI) refusal {
	return refusal{wamp.ErrNotAuthorized, quote(uri) + " is not for calls over HTTP; the setting meta-http allows it"}
}

// read decodes the arguments.
func (c *ownCall) read(p wamp.Payload) refusal {
	var err error
	if c.args, c.kwargs, err = p.Decode(); err != nil {
		return invalid("the arguments cannot be read: %v", err)
	}
	return refusal{}
}

// arg returns argument i; nil if it is absent.
func (c *ownCall) arg(i int) any {
	if i < len(c.args) {
		return c.args[i]
	}
	return nil
}

// id returns argument i, which must be an id.
func (c *ownCall) id(i int, what string) (wamp.ID, refusal) {
	if id := asID(c.arg(i)); id != 0 {
		return id, refusal{}
	}
	return 0, invalid("argument %d must be the id of a %s", i, what)
}

// name returns the first argument, which must be a string that is not empty.
func (c *ownCall) name(what string) (string, refusal) {
	if s, ok := c.arg(0).(string); ok && s != "" {
		return s, refusal{}
	}
	return "", invalid("argument 0 must be %s, a string", what)
}

// match returns the policy that the options dict in argument i names.
func (c *ownCall) match(i int) (wamp.MatchPolicy, refusal) {
	options, ok := c.arg(i).(wamp.Dict)
	if !ok && c.arg(i) != nil {
		return 0, invalid("argument %d must be a dict of options", i)
	}
	if options["match"] == nil {
		return wamp.MatchExact, refusal{}
	}
	for p := wamp.MatchExact; p <= wamp.MatchWildcard; p++ {
		if options["match"] == p.String() {
			return p, refusal{}
		}
	}
	return 0, invalid("match must be exact, prefix or wildcard")
}

// page returns where a list goes on, and how many of its entries are looked
// at. The keyword arguments "after" and "limit" say so.
func (c *ownCall) page() (after wamp.ID, limit int, why refusal) {
	limit = maxPage
	if v := c.kwargs["after"]; v != nil {
		if after = asID(v); after == 0 {
			return 0, 0, invalid("after must be the number that an earlier answer named as next")
		}
	}
	if v := c.kwargs["limit"]; v != nil {
		n := asID(v)
		if n == 0 || n > maxPage {
			return 0, 0, invalid("limit must be an integer from 1 to %d", maxPage)
		}
		limit = int(n)
	}
	return after, limit, refusal{}
}

// list calls take with the entries of a page.
func list[T any](c *ownCall, all *ordered[T], take func(*T)) refusal {
	after, limit, why := c.page()
	if why.uri != "" {
		return why
	}
	c.next = all.page(after, limit, take)
	return refusal{}
}

// page calls take with at most limit values, from after the given number on.
// It returns the number of the last one if there are more, else 0.
func (o *ordered[T]) page(after wamp.ID, limit int, take func(*T)) wamp.ID {
	for number, value := range o.after(after) {
		if limit == 0 {
			return after
		}
		take(value)
		after = number
		limit--
	}
	return 0
}

// asID returns v as an id, 0 if it is none. Some clients write large integers
// as floats.
func asID(v any) wamp.ID {
	switch v := v.(type) {
	case int64:
		if id := wamp.ID(max(v, 0)); id.Valid() {
			return id
		}
	case float64:
		if v >= 1 && v <= float64(wamp.MaxID) && v == math.Trunc(v) {
			return wamp.ID(v)
		}
	}
	return 0
}

// invalid refuses arguments.
func invalid(format string, args ...any) refusal {
	return refusal{wamp.ErrInvalidArgument, fmt.Sprintf(format, args...)}
}

// timestamp writes a time as ISO 8601 in UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
