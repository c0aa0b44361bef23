package gateway

import (
	"errors"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// scheduleOption takes an option that says when a persistent call is due, or
// until when it is tried. How far ahead either may be is for who keeps it.
func (o *options) scheduleOption(name, value string) error {
	if o.schedule == nil {
		o.schedule = new(wamp.KeepOptions)
	}
	if name == "not_before" {
		at, err := parseTime(value)
		if err == nil {
			o.schedule.NotBefore = max(at.UnixMilli(), 1) // what is past is now, and yet given
		}
		return err
	}
	d, err := parseDuration(value)
	if err == nil && d == 0 {
		err = errors.New("want more than 0")
	}
	if name == "delay" {
		o.schedule.Delay = d.Milliseconds()
	} else {
		o.schedule.Expiry = d.Milliseconds()
	}
	return err
}

// parseTime reads a point in time (RFC 3339).
func parseTime(s string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, s)
	switch {
	case err == nil:
		return at, nil
	case strings.Contains(s, " "): // a plus sign in a query is a space
		return at, errors.New("want a time such as 2026-11-25T09:30:00Z; in a query + is written %2B")
	}
	return at, errors.New("want a time such as 2026-11-25T09:30:00Z")
}

// checkSchedule refuses times of a call that nobody would keep until then.
func (o *options) checkSchedule() error {
	switch {
	case o.schedule == nil:
		return nil
	case o.trust != trustPersistent:
		return badOption("options delay, not_before and expiry are for persistent calls: add trust=persistent")
	case o.schedule.Delay > 0 && o.schedule.NotBefore > 0:
		return badOption("options delay and not_before do not go together")
	}
	return nil
}
