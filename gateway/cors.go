package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What pages of allowed origins may send and see. Credentials that a browser
// adds by itself are not among it.
const (
	corsMethods = "DELETE, GET, HEAD, PATCH, POST, PUT, QUERY"
	corsHeaders = "Accept, Authorization, Connect-Timeout-Ms, Content-Type, Grpc-Timeout, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Traceparent, Tracestate, Wamp-Seq, X-API-Key"
	corsExpose  = "Deprecation, ETag, Idempotency-Replayed, Link, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, " +
		"Server-Timing, Sunset, Traceparent, Wamp-Acknowledged, Wamp-Call-Id, Wamp-Callee, " +
		"Wamp-Error, Wamp-Error-Source, Wamp-Ppt-Cipher, Wamp-Ppt-Keyid, Wamp-Ppt-Scheme, Wamp-Ppt-Serializer, Wamp-Registration, Wamp-Result, Wamp-Retry, Wamp-Seq, Wamp-Timeout, WWW-Authenticate"
	corsMaxAge = "7200" // seconds that a browser remembers the answer to a preflight
)

// CheckOrigins refuses what is not the origin of a page as browsers write it.
func CheckOrigins(origins []string) error {
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o || strings.Contains(o, "*") || strings.ToLower(o) != o {
			return fmt.Errorf("%q is not an origin such as https://app.example.com", o)
		}
	}
	return nil
}

// shared lets pages of the allowed origins call (the CORS protocol of the Fetch
// standard). An origin is allowed as it is written or not at all, and cookies
// and the like never are.
func (g *Gateway) shared(next http.Handler) http.Handler {
	if len(g.cfg.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin == "" || !slices.Contains(g.cfg.Origins, origin) {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			h.Set("Access-Control-Expose-Headers", corsExpose)
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", corsMaxAge)
		w.WriteHeader(http.StatusNoContent)
	})
}
