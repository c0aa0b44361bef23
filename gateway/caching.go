package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// entityTag returns the ETag of an answer's body.
func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// keepable says that an answer may be kept for a while, and returns true if the
// client has it already: it wants to hear 304 then. Only an answer to nobody in
// particular may be kept on the way.
func (q *request) keepable(h http.Header, body []byte) (unchanged bool) {
	tag := entityTag(body)
	scope := "private"
	if q.public {
		scope = "public"
	}
	h.Set("ETag", tag)
	h.Set("Cache-Control", scope+", max-age="+strconv.FormatInt(int64(q.keep/time.Second), 10))
	h.Add("Vary", "Accept, Authorization")
	return holdsTag(q.tags, tag)
}

// kept notes that the answer may be kept, if r is of a method whose answers can
// be and the callee said for how long.
func (q *request) kept(r *http.Request, anonymous bool) {
	if q.about == nil || q.about.cache == 0 || r.Method == http.MethodPost {
		return
	}
	q.keep, q.public, q.tags = q.about.cache, anonymous, r.Header["If-None-Match"]
}
