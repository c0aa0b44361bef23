package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A rule is a value for the procedures that a pattern matches, in one realm
// or, with an empty realm, in all. On a command line it is
// [REALM#][MATCH:]PATTERN=VALUE; the match is exact if it is not named.
type rule struct {
	realm wamp.URI // '#' is in no URI, so it cannot be part of the name
	match wamp.MatchPolicy
	uri   wamp.URI // empty: every procedure of the realm
	value string
}

func parseRule(text string) (rule, error) {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		return rule{}, fmt.Errorf("%q is not [REALM#][MATCH:]PATTERN=VALUE, such as prefix:com.example.=never", text)
	}
	r := rule{value: text[at+1:]}
	pattern := text[:at]
	if realm, rest, ok := strings.Cut(pattern, "#"); ok {
		r.realm, pattern = wamp.URI(realm), rest
	}
	for _, policy := range []wamp.MatchPolicy{wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard} {
		if rest, ok := strings.CutPrefix(pattern, policy.String()+":"); ok {
			r.match, pattern = policy, rest
			break
		}
	}
	r.uri = wamp.URI(pattern)
	return r, nil
}

// fault says what is wrong with the realm or the pattern of a rule.
func (r *rule) fault(realms []string) string {
	switch {
	case r.realm != "" && !slices.Contains(realms, string(r.realm)):
		return fmt.Sprintf("there is no realm %q", r.realm)
	case r.uri == "" && r.realm != "" && r.match == wamp.MatchExact:
		return ""
	case !r.uri.ValidPattern(r.match):
		return fmt.Sprintf("%q is not a URI, or pattern, to be matched with %s", r.uri, r.match)
	}
	return ""
}

// in reports whether the rule is one of a realm's.
func (r *rule) in(realm string) bool { return r.realm == "" || string(r.realm) == realm }

// same reports whether two rules are for the same procedures.
func (r *rule) same(other rule) bool {
	return r.realm == other.realm && r.match == other.match && r.uri == other.uri
}

// disclosePolicies are the values of disclose, in the order of the constants.
func disclosePolicies() []string { return []string{"both", "either", "always", "never"} }

func discloseFault(texts, realms []string) string {
	var rules []rule
	for _, text := range texts {
		r, err := parseRule(text)
		switch {
		case err != nil:
			return err.Error()
		case !slices.Contains(disclosePolicies(), r.value):
			return fmt.Sprintf("%s: %q is none of %s", text, r.value, strings.Join(disclosePolicies(), ", "))
		case slices.ContainsFunc(rules, r.same):
			return text + ": its pattern is there twice"
		}
		if fault := r.fault(realms); fault != "" {
			return text + ": " + fault
		}
		rules = append(rules, r)
	}
	return ""
}

// disclosure returns the disclosure policy of a realm and its exceptions; the
// settings have no faults. Rules for the realm go before those for all.
func (s *settings) disclosure(realm string) (policy dealer.DisclosePolicy, rules []dealer.DiscloseRule) {
	policy = disclosePolicy(s.Disclose)
	for _, ofRealm := range []bool{false, true} {
		for _, text := range s.DiscloseFor {
			r, err := parseRule(text)
			switch value := disclosePolicy(r.value); {
			case err != nil || !r.in(realm) || ofRealm != (r.realm != ""):
			case r.uri == "":
				policy = value
			default:
				rules = append(rules, dealer.DiscloseRule{Match: r.match, URI: r.uri, Policy: value})
			}
		}
	}
	return policy, rules
}

func disclosePolicy(name string) dealer.DisclosePolicy {
	return dealer.DisclosePolicy(max(0, slices.Index(disclosePolicies(), name))) //nolint:gosec // one of four
}
