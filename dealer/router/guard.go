package router

import (
	"context"
	"net/netip"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Guard counts wrong credentials. Its methods may be called at once from any
// goroutine.
type Guard interface {
	// Wait returns how long it takes until somebody at that address may try
	// to be that principal again; 0 if he may. The principal may be unknown,
	// and the address is not valid if the peer has none.
	Wait(from netip.Addr, principal string) time.Duration
	// Failed notes a wrong try.
	Failed(from netip.Addr, principal string)
}

// judge has the answer to a CHALLENGE judged, unless too many wrong ones came
// before. It looks once more afterwards, since others were judged meanwhile: of
// many guesses at once only the first ones tell something.
func (h *Handshake) judge(ctx context.Context, m *wamp.Authenticate) auth.Outcome {
	guard := h.session.realm.router.config.Guard
	if guard == nil || !guessable(h.attempt.Method) {
		return h.exchange.Authenticate(ctx, m)
	}
	from, authid := addrOf(h.transport.Peer), h.attempt.Authid
	if guard.Wait(from, authid) > 0 {
		return tooManyGuesses()
	}
	o := h.exchange.Authenticate(ctx, m)
	if guard.Wait(from, authid) > 0 {
		return tooManyGuesses()
	}
	if o.Denial != nil && o.Denial.Reason == wamp.ErrAuthenticationDenied {
		guard.Failed(from, authid)
	}
	return o
}

// guessable reports whether an authentication method takes what people choose.
// Nobody guesses a key.
func guessable(method string) bool {
	return method != auth.Cryptosign && method != auth.TLS
}

// lockedOut is the cause of a denial that nobody's credentials were looked at
// for.
const lockedOut = "too many failures"

func tooManyGuesses() auth.Outcome {
	return auth.Outcome{Denial: &auth.Denial{
		Reason: wamp.ErrAuthenticationDenied,
		Text:   "too many wrong credentials came from your address or for this name; wait before you try again",
		Cause:  lockedOut,
	}}
}

// addrOf returns the address of a peer by its name, which may have a port; it
// is not valid for one on a Unix socket.
func addrOf(peer string) netip.Addr {
	if both, err := netip.ParseAddrPort(peer); err == nil {
		return both.Addr()
	}
	addr, _ := netip.ParseAddr(peer)
	return addr
}
