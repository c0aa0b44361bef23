package dealer

import (
	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A DiscloseRule is the policy for the procedures that a pattern matches.
type DiscloseRule struct {
	Match  wamp.MatchPolicy
	URI    wamp.URI // or the pattern
	Policy DisclosePolicy
}

// A DisclosePolicy says when the caller's session id, authid and authrole are
// put on the INVOCATION (spec, section "Caller Identification").
type DisclosePolicy uint8

// The disclosure policies. A callee asks with disclose_caller when it
// registers, a caller with disclose_me when it calls.
const (
	// DiscloseBoth discloses if callee and caller ask.
	DiscloseBoth DisclosePolicy = iota
	// DiscloseEither discloses if callee or caller asks.
	DiscloseEither
	// DiscloseAlways discloses every caller.
	DiscloseAlways
	// DiscloseNever discloses nobody, and answers whoever asks with
	// wamp.error.option_disallowed.disclose_me.
	DiscloseNever
)

// discloses reports whether a call goes out with its caller's identity.
func (p DisclosePolicy) discloses(calleeAsks, callerAsks bool) bool {
	switch p {
	case DiscloseEither:
		return calleeAsks || callerAsks
	case DiscloseAlways:
		return true
	case DiscloseNever:
		return false
	}
	return calleeAsks && callerAsks
}

// indexDisclosure returns the rules by pattern, or nil if there are none.
func indexDisclosure(rules []DiscloseRule) *match.Index[DisclosePolicy] {
	if len(rules) == 0 {
		return nil
	}
	index := new(match.Index[DisclosePolicy])
	for _, r := range rules {
		index.Set(match.Policy(r.Match), string(r.URI), r.Policy)
	}
	return index
}

// disclosure returns the policy for calls of uri.
func (d *Dealer) disclosure(uri wamp.URI) DisclosePolicy {
	if d.disclose != nil {
		if policy, ok := d.disclose.Best(string(uri)); ok {
			return policy
		}
	}
	return d.config.Disclose
}

// disclosureOf returns the policy that a REGISTER is held to. A pattern is
// held to the rule for the same pattern, else to the one that a procedure of
// that name would have; its calls are each held to their own procedure's.
func (d *Dealer) disclosureOf(policy wamp.MatchPolicy, uri wamp.URI) DisclosePolicy {
	if d.disclose != nil && policy != wamp.MatchExact {
		if policy, ok := d.disclose.At(match.Policy(policy), string(uri)); ok {
			return policy
		}
	}
	return d.disclosure(uri)
}

// refuseDisclosure answers whoever relies on disclosure where there is none.
func refuseDisclosure() refusal {
	return refusal{wamp.ErrOptionDisallowedMe, "callers of this procedure are not disclosed"}
}
