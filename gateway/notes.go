package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// notes are what the dealer says about an event beside its payload. They are
// header fields of the answer.
type notes struct {
	asked        bool // the call asked for an acknowledgement
	acknowledged bool // the callee has received it
	passthru     *wamp.Passthru
	undone       *problem.Undone // the transaction that the call was part of was rolled back
}

// notesOfResult returns the notes on a RESULT, or nil.
func notesOfResult(d *wamp.ResultDetails) *notes {
	if !d.Acknowledged && d.Passthru == nil {
		return nil
	}
	return &notes{asked: d.Acknowledged, acknowledged: d.Acknowledged, passthru: d.Passthru}
}

// notesOfError returns the notes on an ERROR, or nil.
func notesOfError(d wamp.Dict) *notes {
	if len(d) == 0 {
		return nil
	}
	n := new(notes)
	n.acknowledged, n.asked = d.Bool("acknowledged")
	n.undone = undoneBy(d)
	if scheme, _ := d.String("ppt_scheme"); scheme != "" {
		n.passthru = &wamp.Passthru{Scheme: scheme}
		n.passthru.Serializer, _ = d.String("ppt_serializer")
		n.passthru.Cipher, _ = d.String("ppt_cipher")
		n.passthru.KeyID, _ = d.String("ppt_keyid")
	}
	return n
}

// noted keeps what is known of the call for its answer. A call that did not
// ask for an acknowledgement has none, whatever its callee says.
func (c *call) noted(n *notes) {
	if n == nil {
		return
	}
	if n.asked {
		c.acknowledged = strconv.FormatBool(n.acknowledged)
	}
	if n.passthru != nil {
		c.passthru = n.passthru
	}
	if n.undone != nil {
		c.undone = n.undone
	}
}

// noteHeaders sets the header fields for what was noted.
func (c *call) noteHeaders(v *fieldValues, q *request) {
	if c.acknowledged != "" && q.trust == trustAcknowledged {
		v.set("Wamp-Acknowledged", c.acknowledged)
	}
	if c.passthru == nil {
		return
	}
	for _, m := range passthruMembers(c.passthru) {
		v.set(m.field, fieldText(m.value))
	}
}

// A passthruMember is one part of the description of an opaque payload.
type passthruMember struct{ name, field, value string }

// passthruMembers returns those that are given.
func passthruMembers(p *wamp.Passthru) []passthruMember {
	all := []passthruMember{
		{"ppt_scheme", "Wamp-Ppt-Scheme", p.Scheme},
		{"ppt_serializer", "Wamp-Ppt-Serializer", p.Serializer},
		{"ppt_cipher", "Wamp-Ppt-Cipher", p.Cipher},
		{"ppt_keyid", "Wamp-Ppt-Keyid", p.KeyID},
	}
	given := all[:0]
	for _, m := range all {
		if m.value != "" {
			given = append(given, m)
		}
	}
	return given
}

// appendNotes appends members for what was noted to an object that dst ends
// inside of.
func appendNotes(dst []byte, n *notes) []byte {
	if n == nil || n.passthru == nil {
		return dst
	}
	for _, m := range passthruMembers(n.passthru) {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, m.name...)
		dst = append(dst, '"', ':')
		dst = appendText(dst, strings.ToValidUTF8(m.value, "\uFFFD"))
	}
	return dst
}

// fieldText makes text that somebody else chose fit for a header field.
func fieldText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// trustAcknowledged is the trust level of a call that asks for an
// acknowledgement.
const trustAcknowledged = "acknowledged"

// trustLevels are what ?trust= may be. Which of them there are is the dealer's
// to say.
func trustLevels() []string {
	return []string{"best_effort", trustAcknowledged, trustPersistent, trustTransactional}
}

// passthruOption takes an option of payload passthru mode.
func (o *options) passthruOption(name, value string) {
	if o.passthru == nil {
		o.passthru = new(wamp.Passthru)
	}
	switch p := o.passthru; name {
	case "ppt_scheme":
		p.Scheme = value
	case "ppt_serializer":
		p.Serializer = value
	case "ppt_cipher":
		p.Cipher = value
	case "ppt_keyid":
		p.KeyID = value
	}
}

// checkPassthru refuses what does not go together with an opaque body.
func (q *request) checkPassthru(method string) error {
	switch {
	case q.passthru == nil:
		return nil
	case q.passthru.Scheme == "":
		return badOption("the options ppt_serializer, ppt_cipher and ppt_keyid need ppt_scheme")
	case method == http.MethodGet || method == http.MethodHead:
		return badOption("option ppt_scheme is for requests with a body")
	case q.in.streams() && q.in != framingChunks:
		return badOption("with ppt_scheme the body is opaque: whole, or ?in=chunks")
	case q.envelope:
		return badOption("with ppt_scheme the body is opaque, and not what body=call says")
	}
	return nil
}
