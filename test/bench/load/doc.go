// Package load puts load on WAMP routers and HTTP gateways and counts what
// comes back. All load is a closed loop: so many calls are in flight, and an
// answer is followed by the next call. Messages are encoded once, and what
// comes back is looked at no closer than needed to tell whose answer it is; the
// first on each connection is compared with what was sent.
//
// Every run ends: by its time, or by a number of calls, and if answers stay
// away, after a grace.
package load
