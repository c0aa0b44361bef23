package transport

import (
	"encoding/binary"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A callee that answers the ping behind an INVOCATION has received the
// INVOCATION: frames are handled in order, whatever is above. So any client
// acknowledges, without knowing of it. The ping's payload names the session,
// whose id nobody can guess, and the INVOCATION.
//
// A peer may answer only the last of several pings (RFC 6455, section 5.5.3):
// a receipt is therefore one for all INVOCATIONs before, and the pings of a
// heartbeat repeat the payload of the last receipt that was asked for.
//
// RawSocket clients may be pinged only if they sent a PING themselves. Those
// that did so before their HELLO acknowledge; the others cannot.

// receiptSize is the size of such a payload.
const receiptSize = 16

// A receipt names an INVOCATION to a session. The zero receipt names none.
type receipt struct{ session, invocation wamp.ID }

// receiptOf returns the receipt that m asks for, the zero receipt if none.
func receiptOf(m wamp.Message) receipt {
	if inv, ok := m.(*wamp.Invocation); ok && inv.Receipt != 0 {
		return receipt{inv.Receipt, inv.Request}
	}
	return receipt{}
}

// parseReceipt reads the payload of a pong. Foreign ones give a receipt that
// names no session that is there.
func parseReceipt(payload []byte) receipt {
	if len(payload) != receiptSize {
		return receipt{}
	}
	return receipt{
		session:    wamp.ID(binary.BigEndian.Uint64(payload)),
		invocation: wamp.ID(binary.BigEndian.Uint64(payload[8:])),
	}
}

// append appends the payload.
func (r receipt) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.session))
	return binary.BigEndian.AppendUint64(dst, uint64(r.invocation))
}

// appendPing appends a ping that asks for r.
func (f format) appendPing(dst []byte, r receipt) []byte {
	var payload [receiptSize]byte
	r.append(payload[:0])
	if f.framing == rawSocket {
		return appendPrefixed(dst, prefixPing, payload[:])
	}
	return append(append(dst, framePing, receiptSize), payload[:]...)
}

// appendReceipt appends the ping behind m, if m asks for a receipt.
func (f format) appendReceipt(dst []byte, m wamp.Message) []byte {
	if r := receiptOf(m); r != (receipt{}) {
		return f.appendPing(dst, r)
	}
	return dst
}

// pong handles the payload of a pong.
func (p *peer) pong(payload []byte) {
	r := parseReceipt(payload)
	if p.session != nil && r.session == p.session.ID() {
		p.session.Acknowledged(p.batch, r.invocation)
	}
}
