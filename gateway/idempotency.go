package gateway

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// uriKeyInUse is the error of an Idempotency-Key whose first call still runs;
// uriKeyReused that of one which came with another request before.
const (
	uriKeyInUse  wamp.URI = "gateway.error.idempotency_key_in_use"
	uriKeyReused wamp.URI = "gateway.error.idempotency_key_reused"
)

// maxIdempotencyKey is the longest key in bytes.
const maxIdempotencyKey = 255

// A claim is what a request with an Idempotency-Key lays claim to
// (draft-ietf-httpapi-idempotency-key-header-07).
type claim struct {
	scope       claimScope
	fingerprint [sha256.Size]byte // of content type and body
}

// A claimScope is within which a key means one call. The realm is the
// gateway's.
type claimScope struct {
	authid    string
	procedure wamp.URI
	key       string
}

// newClaim returns the claim of a request, or nil if it makes none.
func (g *Gateway) newClaim(rec *record, r *http.Request, q *request, body []byte) *claim {
	if q.once == "" {
		return nil
	}
	c := &claim{scope: claimScope{authid: g.identity(rec.who).Authid, procedure: q.procedure, key: q.once}}
	h := sha256.New()
	_, _ = h.Write([]byte(r.Header.Get("Content-Type"))) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(body)
	h.Sum(c.fingerprint[:0])
	return c
}

// parseIdempotencyKey reads the key, which is a string as RFC 8941 has it; it
// may also come bare, as people write it with curl. The error is a problem.
func parseIdempotencyKey(method string, fields []string) (string, error) {
	if method != http.MethodPost {
		return "", badKey("is for POST; a " + method + " can be repeated without one")
	}
	if len(fields) > 1 {
		return "", badKey("is given twice")
	}
	text := strings.Trim(fields[0], " \t")
	key, ok := unquoteKey(text)
	if !ok {
		return "", badKey(`must be "text in quotes", or a word without quotes, commas, semicolons and white space`)
	}
	return checkKeyText(key)
}

// checkKeyText returns a key that may be one. The error is a problem.
func checkKeyText(key string) (string, error) {
	switch {
	case key == "":
		return "", badKey("is empty")
	case len(key) > maxIdempotencyKey:
		return "", badKey("has more than 255 bytes")
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", badKey("has characters other than those of ASCII")
	}
	return key, nil
}

// unquoteKey returns what a string or a bare word stands for. ok is false if it
// is neither.
func unquoteKey(text string) (key string, ok bool) {
	quoted, isQuoted := strings.CutPrefix(text, `"`)
	if !isQuoted {
		return text, !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`",;\`, r) })
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		c := quoted[i]
		switch {
		case c == '"':
			return b.String(), i == len(quoted)-1
		case c < ' ' || c > '~':
			return "", false
		case c == '\\':
			if i++; i == len(quoted) || quoted[i] != '"' && quoted[i] != '\\' {
				return "", false
			}
			c = quoted[i]
		}
		b.WriteByte(c)
	}
	return "", false // the closing quote is missing
}

// badKey is the problem of a key that cannot be used.
func badKey(why string) *problem.Problem {
	return problem.New(http.StatusBadRequest, uriBadRequest, "the Idempotency-Key "+why)
}

// answerAgain answers a request whose Idempotency-Key k holds: with what the
// first one got, if it was the same and its call has ended.
func (g *Gateway) answerAgain(w http.ResponseWriter, r *http.Request, q *request, k *keptCall, made *claim) error {
	if k.claim.fingerprint != made.fingerprint {
		return problem.New(http.StatusUnprocessableEntity, uriKeyReused,
			"this Idempotency-Key came with another body or content type before; take a new one for a new request")
	}
	location := callsPath + "/" + k.id
	switch {
	case !k.isOver():
		p := problem.New(http.StatusConflict, uriKeyInUse,
			"the call of this Idempotency-Key is "+k.status().State.String()+"; its answer will be at "+location+"/result").
			Unknown().RetryAfter(1).With("Location", location)
		p.Instance = location
		return p
	case !k.holds():
		return g.callClaimed(w, r, q, made) // it let go of the key meanwhile
	}
	w.Header().Set("Idempotency-Replayed", "true")
	if !q.out.streams() || q.prefer.async {
		return g.replay(w, k)
	}
	w.Header().Set("Location", location)
	t, err := k.follow(0, true)
	if err != nil {
		return err
	}
	return g.serveEvents(w, r, k, q, t, true)
}
