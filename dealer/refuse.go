package dealer

import (
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A refusal is why a request is not fulfilled. The zero refusal means that
// nothing speaks against it.
type refusal struct {
	uri  wamp.URI
	text string // for people; may be empty
}

// refuse answers a request that caused nothing.
func (d *Dealer) refuse(s *session, t wamp.MessageType, id wamp.ID, why refusal) *wamp.Error {
	if t == wamp.TypeCall {
		d.stats.Ended[outcomeOf(why.uri)]++
	}
	m := d.out.error(s)
	m.RequestType = t
	m.Request = id
	m.Error = why.uri
	m.Payload = textPayload(why.text)
	m.Origin = wamp.OriginDealer
	return m
}

// fail tells a caller that its call ended after a callee had got it.
func (d *Dealer) fail(caller *session, id wamp.ID, why refusal) *wamp.Error {
	d.stats.Ended[outcomeOf(why.uri)]++
	return d.failed(caller, id, why)
}

// failed is fail for a call whose end was counted otherwise.
func (d *Dealer) failed(caller *session, id wamp.ID, why refusal) *wamp.Error {
	m := d.out.error(caller)
	m.RequestType = wamp.TypeCall
	m.Request = id
	m.Error = why.uri
	m.Payload = textPayload(why.text)
	m.Origin = wamp.OriginDealerDispatched
	return m
}

// textPayload returns text as the only argument, or no arguments if there is
// no text.
func textPayload(text string) wamp.Payload {
	if text == "" {
		return wamp.Payload{}
	}
	p, _ := wamp.NewPayload(wamp.JSON, []any{text}, nil) // a string always has a form
	return p
}

// quote returns a URI for an error text, shortened if it is a long one.
func quote(uri wamp.URI) string {
	const limit = 128
	if len(uri) <= limit {
		return string(uri)
	}
	return strings.ToValidUTF8(string(uri[:limit]), "") + "…"
}
