package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// In payload passthru mode caller and callee agree on the encoding of the
// payload; the dealer passes it and the options that describe it on, and reads
// neither (spec, section "Payload Passthru Mode"). Both sides must have
// announced the mode. In a lenient realm using it is announcement enough.

// callPassthru checks that the caller of a CALL in passthru mode may use it.
func (s *session) callPassthru() error {
	if s.dealer.config.Strict && !s.caller.Has(wamp.FeaturePayloadPassthruMode) {
		return violation("CALL with ppt_scheme, but payload_passthru_mode was not announced")
	}
	s.caller |= wamp.FeaturePayloadPassthruMode
	return nil
}

// answerPassthru is callPassthru for the callee's answer, of type t.
func (s *session) answerPassthru(t wamp.MessageType) error {
	if s.dealer.config.Strict && !s.callee.Has(wamp.FeaturePayloadPassthruMode) {
		return violation("%s with ppt_scheme, but payload_passthru_mode was not announced", t)
	}
	return nil
}

// yieldPassthru handles a YIELD in passthru mode as far as it is special. It
// reports whether the call has ended: the caller has to understand the mode
// too. The specification would have the callee told, with an ERROR that all
// clients take for a violation. The dealer's own calls take what they get.
func (d *Dealer) yieldPassthru(now time.Time, s *session, c *call, m *wamp.Yield) (ended bool, err error) {
	if err := s.answerPassthru(wamp.TypeYield); err != nil {
		return false, err
	}
	if c.sink() != nil || c.caller.caller.Has(wamp.FeaturePayloadPassthruMode) {
		return false, nil
	}
	why := refusal{wamp.ErrFeatureNotSupported, "the result is in payload passthru mode, which the caller did not announce"}
	switch {
	case !m.Options.Progress:
		c.vouch(d.fail(c.caller, c.id, why), true)
		d.end(now, c)
	case c.receiveProgress && !c.killing:
		d.abandon(now, c, why)
	default:
		return false, nil // nobody gets it
	}
	return true, nil
}

// errorPassthru checks the details of a callee's ERROR.
func (s *session) errorPassthru(details wamp.Dict) error {
	for _, key := range []string{"ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid"} {
		if _, ok := details[key].(string); !ok && details[key] != nil {
			return violation("ERROR: Details.%s must be a string", key)
		}
	}
	if scheme, _ := details.String("ppt_scheme"); scheme == "" {
		return nil
	}
	return s.answerPassthru(wamp.TypeError)
}
