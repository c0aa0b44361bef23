package authn

import (
	"net/netip"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Principal is who sent a request.
type Principal struct {
	Identity wamp.Identity
	// Credential tells apart the credentials that one identity may come with.
	// It is no secret, and stays the same when a token is renewed.
	Credential string
	// Expires is when the credentials end to be valid; zero means never.
	Expires time.Time
	// Anonymous is set if the request gave no credentials.
	Anonymous bool
	// From is where somebody anonymous asks from, for the limits that go by
	// that; the Gateway sets it.
	From netip.Addr
}

// The methods, as Identity.Authmethod and the challenges of a refusal name
// them.
const (
	MethodJWT         = "jwt"
	MethodAPIKey      = "api-key"
	MethodBasic       = "basic"
	MethodCertificate = "tls"
	MethodSigned      = "signed"
	MethodDynamic     = "dynamic"
)

// maxName is how long an authid or authrole made from a token may be.
const maxName = 256
