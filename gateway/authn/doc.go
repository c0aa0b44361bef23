// Package authn finds out who sent an HTTP request: it turns the credentials
// in it into a [wamp.Identity], or says in words why it does not.
//
// Credentials are a bearer token (a JWT of a known issuer, or an API key), a
// user's name and password, a client certificate, a signature as Crossbar's
// HTTP bridge takes it, or whatever a procedure of the application makes of
// the request. Nothing is open that was not configured, and a request that
// gives credentials is never treated as if it had given none.
//
// Verdicts that are costly are remembered for up to a minute, by a keyed hash.
// Neither errors nor logs hold a secret.
package authn
