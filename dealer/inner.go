package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Some calls are the dealer's own: those of a resolver, and those that a CALL
// to all members is made of. To the callee they are calls like others. Their
// caller is the session Dealer.self, which nobody can reach, and what is
// answered goes to a sink instead.
type sink interface {
	// answered takes the RESULT of a call, which has ended.
	answered(d *Dealer, now time.Time, p wamp.Payload)
	// failed takes the ERROR of a call, which has ended.
	failed(d *Dealer, now time.Time, why wamp.URI, p wamp.Payload)
}

// openInner opens a call of the dealer's own. The caller of the message is
// whoever may be disclosed.
func (d *Dealer) openInner(now time.Time, caller *session, p *place, m *wamp.Call, to sink) *call {
	d.self.lastRequest = d.self.lastRequest.Next()
	inner := *m
	inner.Request = d.self.lastRequest
	inner.Options.ReceiveProgress = false
	c := d.open(now, &d.self, &inner)
	c.sharded = &sharded{sink: to}
	d.assign(c, p, &inner)
	c.details = d.details(caller, p, &inner)
	d.send(c, &inner, inner.Options.Custom)
	return c
}

// endInner ends a call of the dealer's own that failed.
func (d *Dealer) endInner(now time.Time, c *call, why wamp.URI, p wamp.Payload) {
	to := c.sink()
	d.end(now, c)
	to.failed(d, now, why, p)
}
