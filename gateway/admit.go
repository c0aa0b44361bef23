package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/gateway/limit"
	"github.com/wampgate/wampgate/gateway/problem"
)

// callPolicy names the limit of calls in RateLimit-Policy.
const callPolicy = "call"

// errExpired means that the credentials of a stream's client are no longer
// valid.
var errExpired = errors.New("credentials expired")

// A gate lets requests in whose sender is known and does not call too often.
type gate struct {
	authenticate func(*http.Request) (authn.Principal, error) // nil lets all in, as anonymous
	proxies      authn.Proxies
	limiter      *limit.Limiter[limitKey] // nil means as often as they want
	rate         float64                  // of limiter
	burst        int
	policy       []string // value of RateLimit-Policy
	counts       *counts
	log          *slog.Logger
}

// A limitKey says whose calls are counted together: those of a principal, or
// from an address if they are anonymous.
type limitKey struct {
	principal principalKey
	from      netip.Addr
}

// newGate returns nil if there is nothing to ask.
func newGate(cfg *Config, c *counts) *gate {
	if cfg.Authenticate == nil && cfg.Rate <= 0 {
		return nil
	}
	t := &gate{authenticate: cfg.Authenticate, proxies: cfg.Proxies, log: cfg.Log, counts: c}
	if cfg.Rate > 0 {
		t.limiter, t.rate, t.burst = limit.New[limitKey](cfg.Rate, cfg.Burst, 0), cfg.Rate, cfg.Burst
		window := strconv.Itoa(seconds(t.limiter.Window()))
		t.policy = []string{`"` + callPolicy + `";q=` + strconv.Itoa(t.limiter.Burst()) + ";w=" + window}
	}
	return t
}

// admitted lets a request come to next if its sender is known and does not
// call too often.
func (g *Gateway) admitted(next handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if t := g.gate.Load(); t != nil {
			if err := t.admit(w.Header(), r, recordOf(w)); err != nil {
				return err
			}
		}
		return next(w, r)
	}
}

// SetAdmission changes Authenticate, Rate and Burst of the configuration. Each
// request is judged by the old ones or by the new ones. Who has spent his
// tokens gets them back only if the limit changes.
func (g *Gateway) SetAdmission(authenticate func(r *http.Request) (authn.Principal, error), rate float64, burst int) {
	cfg := g.cfg
	cfg.Authenticate, cfg.Rate, cfg.Burst = authenticate, rate, burst
	cfg = cfg.withDefaults()
	next, before := newGate(&cfg, g.counts), g.gate.Load()
	if next != nil && before != nil && next.rate == before.rate && next.burst == before.burst {
		next.limiter, next.policy = before.limiter, before.policy
	}
	g.gate.Store(next)
}

// admit finds out who sent r, notes it in rec, and takes a token from his
// bucket. The error is a problem.
func (t *gate) admit(h http.Header, r *http.Request, rec *record) error {
	if t.authenticate != nil {
		who, err := t.authenticate(r)
		if err != nil {
			return t.refuse(r, err)
		}
		if who.Anonymous {
			who.From = t.proxies.ClientIP(r)
		}
		rec.who, rec.authid = who, who.Identity.Authid
	}
	if t.limiter == nil {
		return nil
	}
	state := t.limiter.Take(t.key(r, rec))
	h["Ratelimit-Policy"] = t.policy
	h["Ratelimit"] = []string{rateLimit(state)}
	if state.OK {
		return nil
	}
	return tooOften(state.Wait)
}

// key returns whose request r counts as.
func (t *gate) key(r *http.Request, rec *record) limitKey {
	if t.authenticate == nil || rec.who.Anonymous {
		return limitKey{from: limit.Network(t.proxies.ClientIP(r))}
	}
	return limitKey{principal: keyOf(rec.who)}
}

// again takes a token for one more call of a request that was admitted. The
// error is a problem.
func (t *gate) again(r *http.Request, rec *record) error {
	if t == nil || t.limiter == nil {
		return nil
	}
	if state := t.limiter.Take(t.key(r, rec)); !state.OK {
		return tooOften(state.Wait)
	}
	return nil
}

// refuse logs why credentials were refused, and returns the problem that it
// is. This is the one line for the audit.
func (t *gate) refuse(r *http.Request, err error) *problem.Problem {
	f, ok := errors.AsType[*authn.Refusal](err)
	if !ok {
		f = &authn.Refusal{Status: http.StatusServiceUnavailable, Reason: authn.Unavailable, Detail: "who you are cannot be found out now"}
	}
	t.counts.credentials(f)
	level := slog.LevelInfo
	if f.Status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	t.log.LogAttrs(r.Context(), level, "credentials refused",
		slog.String("reason", string(f.Reason)), slog.String("authmethod", f.Method), slog.String("subject", f.Subject),
		slog.String("remote", t.proxies.ClientIP(r).String()), slog.String("path", r.URL.Path),
		slog.Int("status", f.Status), slog.Any("err", err))
	p := problem.New(f.Status, refusalURI(f), f.Detail).Because(err)
	if f.Status == http.StatusServiceUnavailable {
		p = p.Safe()
	}
	if f.RetryAfter > 0 {
		p = p.Safe().RetryAfter(seconds(f.RetryAfter))
	}
	if f.Challenges != nil {
		p.Header = http.Header{"Www-Authenticate": f.Challenges}
	}
	return p
}

// refusalURI returns the error URI for a refusal.
func refusalURI(f *authn.Refusal) wamp.URI {
	switch f.Status {
	case http.StatusUnauthorized:
		if f.Reason == authn.NoCredentials {
			return wamp.ErrAuthenticationRequired
		}
		return wamp.ErrAuthenticationDenied
	case http.StatusForbidden:
		return wamp.ErrNoSuchRole
	case http.StatusTooManyRequests:
		return wamp.ErrRateLimited
	case http.StatusServiceUnavailable:
		return wamp.ErrAuthenticationFailed
	}
	return uriBadRequest
}

// tooOften is the problem of somebody who calls more often than he may.
func tooOften(wait time.Duration) *problem.Problem {
	p := problem.New(http.StatusTooManyRequests, wamp.ErrRateLimited, "you call more often than you may; wait, and look at RateLimit-Policy").
		Because(limitError("rate")).Safe().RetryAfter(seconds(wait))
	p.Type = problem.QuotaExceeded
	p.Policies = []string{callPolicy}
	return p
}

// rateLimit returns the value of RateLimit (draft-ietf-httpapi-ratelimit-headers-10).
func rateLimit(s limit.State) string {
	until := s.Full
	if !s.OK {
		until = s.Wait
	}
	b := make([]byte, 0, 32)
	b = append(b, `"`+callPolicy+`";r=`...)
	b = strconv.AppendInt(b, int64(s.Remaining), 10)
	b = append(b, ";t="...)
	return string(strconv.AppendInt(b, int64(seconds(until)), 10))
}

// seconds rounds up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// remote returns the address that a request comes from, for the log.
func (g *Gateway) remote(r *http.Request) string {
	if len(g.cfg.Proxies) == 0 {
		return remoteIP(r)
	}
	return g.cfg.Proxies.ClientIP(r).String()
}

// identity returns who somebody is; Anonymous if nobody asked.
func (g *Gateway) identity(who authn.Principal) wamp.Identity {
	if who.Identity == (wamp.Identity{}) {
		return g.cfg.Anonymous
	}
	return who.Identity
}

// keyOf returns what a principal's calls and session go by.
func keyOf(who authn.Principal) principalKey {
	return principalKey{authid: who.Identity.Authid, authrole: who.Identity.Authrole, credential: credential(who.Credential)}
}

// untilExpiry makes the context of a stream's request end with the validity of
// its client's credentials. The function it returns must be called.
func untilExpiry(r *http.Request, who authn.Principal) (*http.Request, context.CancelFunc) {
	if who.Expires.IsZero() {
		return r, func() {}
	}
	ctx, cancel := context.WithDeadlineCause(r.Context(), who.Expires, errExpired)
	return r.WithContext(ctx), cancel
}
