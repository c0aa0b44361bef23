package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wampgate/wampgate/gateway/problem"
)

// The longest times that options may ask for.
const (
	maxResume = 5 * time.Minute
	maxIdle   = time.Hour
)

// parseAtMost reads a duration that is neither zero nor longer than most.
func parseAtMost(s string, most time.Duration) (time.Duration, error) {
	d, err := parseDuration(s)
	if err == nil && (d <= 0 || d > most) {
		err = fmt.Errorf("want more than 0 and at most %v", most)
	}
	return d, err
}

// lifeOption takes an option that says how long a call lives, and what becomes
// of what a client does not read in time.
func (o *options) lifeOption(name, value string) (err error) {
	switch name {
	case "resume":
		o.resume, err = parseAtMost(value, maxResume)
	case "idle_timeout":
		o.idle, err = parseAtMost(value, maxIdle)
	case "overflow":
		if o.latest = value == "latest"; !o.latest {
			err = errors.New("want latest")
		}
	}
	return err
}

// asResource reports whether the call is to be a resource under /calls.
func (q *request) asResource() bool {
	return !q.transactional() && (q.prefer.async || q.once != "" || q.resume > 0)
}

// readKeeping reads the header fields that make a call a resource.
func (q *request) readKeeping(r *http.Request) (err error) {
	if fields := r.Header["Prefer"]; fields != nil {
		q.prefer = parsePrefer(fields)
	}
	if fields := r.Header["Idempotency-Key"]; fields != nil {
		q.once, err = parseIdempotencyKey(r.Method, fields)
	}
	return err
}

// checkLife refuses what does not go together with the life of a call.
func (q *request) checkLife(length int64) error {
	switch {
	case q.in.streams() && q.prefer.async && length != 0:
		return problem.New(http.StatusBadRequest, uriBadRequest,
			"a call that answers later takes its items through /calls/{id}/input: begin it with an empty body, or add ?in=whole")
	case q.in.streams() && q.once != "":
		return badKey("is not for bodies that stream")
	case q.latest && (q.out == formRaw || !q.out.streams() && !q.prefer.async):
		return badOption("option overflow is for answers that stream, and not as raw bytes")
	case q.idle > 0 && !q.streams() && !q.prefer.async:
		return badOption("option idle_timeout is for calls that stream; others have a timeout")
	case q.resume > 0:
		return q.checkResume()
	}
	return q.checkGuarantee()
}

// checkGuarantee refuses what does not go together with the guarantee that a
// call asks for.
func (q *request) checkGuarantee() error {
	if err := q.checkBranch(); err != nil {
		return err
	}
	return q.checkSchedule()
}

// checkResume refuses what nobody could go on with.
func (q *request) checkResume() error {
	switch {
	case q.prefer.async:
		return badOption("option resume is not needed with Prefer: respond-async: such a call outlives its client")
	case q.in.streams() || !q.out.numbered() || q.bare:
		return badOption("option resume is for answers whose events have numbers: Accept: text/event-stream, or ?stream=ndjson")
	}
	return nil
}
