package auth

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The authentication methods, by their names in HELLO.Details.authmethods.
const (
	Anonymous     = "anonymous"
	Ticket        = "ticket"
	CRA           = "wampcra"
	SCRAM         = "wamp-scram" // as the specification has it
	AutobahnSCRAM = "scram"      // as autobahn and Crossbar have it
	Cryptosign    = "cryptosign"
	TLS           = "tls" // the client's certificate; there is no CHALLENGE
)

// Static is the authprovider of principals that the configuration names.
const Static = "static"

// A Grant lets a peer in.
type Grant struct {
	Identity wamp.Identity
	Extra    wamp.Dict // WELCOME.Details.authextra; nil for none
	Expires  time.Time // when the session has to end; zero: never
}

// A Denial keeps a peer out.
type Denial struct {
	Reason wamp.URI // of the ABORT
	Text   string   // for the peer; tells nothing that helps to guess
	Cause  string   // for the operator's log: what really was the matter; no secret
}

// denied is the Denial for every wrong credential, whether the principal
// exists or not.
func denied(cause string) *Denial {
	return &Denial{wamp.ErrAuthenticationDenied, "the credentials are not accepted", cause}
}

// failed is the Denial for an authentication that could not be carried out.
func failed(text, cause string) *Denial {
	return &Denial{wamp.ErrAuthenticationFailed, text, cause}
}

// An Outcome is what a HELLO came to: exactly one of its fields is set.
type Outcome struct {
	Grant    *Grant
	Denial   *Denial
	Exchange *Exchange
}

// An Attempt is what the log says of an authentication. Authid and Method are
// the peer's words until it is let in.
type Attempt struct {
	Method, Authid string
}
