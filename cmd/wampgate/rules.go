package main

import (
	"fmt"
	"slices"
	"strconv"
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
	role  string   // of the caller; only rules for trust levels have one
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
	return r.realm == other.realm && r.match == other.match && r.uri == other.uri && r.role == other.role
}

// disclosePolicies are the values of disclose, in the order of the constants.
func disclosePolicies() []string { return []string{"both", "either", "always", "never"} }

func discloseFault(texts, realms []string) string {
	return rulesFault(texts, realms, parseRule, func(value string) string {
		if slices.Contains(disclosePolicies(), value) {
			return ""
		}
		return fmt.Sprintf("%q is none of %s", value, strings.Join(disclosePolicies(), ", "))
	})
}

// rulesFault says what is wrong with the first bad rule of a setting.
func rulesFault(texts, realms []string, parse func(string) (rule, error), valueFault func(string) string) string {
	var rules []rule
	for _, text := range texts {
		r, err := parse(text)
		if err != nil {
			return err.Error()
		}
		fault := valueFault(r.value)
		if fault == "" {
			fault = r.fault(realms)
		}
		if fault == "" && slices.ContainsFunc(rules, r.same) {
			fault = "its pattern is there twice"
		}
		if fault != "" {
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

// parseTrustRule is parseRule for [REALM#][MATCH:]PATTERN[@ROLE]=LEVEL.
func parseTrustRule(text string) (rule, error) {
	r, err := parseRule(text)
	if at := strings.LastIndexByte(string(r.uri), '@'); at >= 0 {
		r.uri, r.role = r.uri[:at], string(r.uri[at+1:])
	}
	return r, err
}

func trustFault(texts, realms []string) string {
	return rulesFault(texts, realms, parseTrustRule, func(value string) string {
		if _, err := trustlevel(value); err != nil {
			return fmt.Sprintf("%q is not a whole number from 0", value)
		}
		return ""
	})
}

func trustlevel(value string) (int32, error) {
	n, err := strconv.ParseUint(value, 10, 31)
	return int32(n), err
}

// trustlevels returns the trust rules of a realm; the settings have no faults.
// Rules for the realm go before those for all.
func (s *settings) trustlevels(realm string) []dealer.TrustRule {
	var rules []dealer.TrustRule
	for _, ofRealm := range []bool{false, true} {
		for _, text := range s.Trustlevel {
			r, err := parseTrustRule(text)
			if err != nil || !r.in(realm) || ofRealm != (r.realm != "") {
				continue
			}
			rule := dealer.TrustRule{Match: r.match, URI: r.uri, Authrole: r.role}
			if r.uri == "" {
				rule.Match = wamp.MatchPrefix // of everything
			}
			rule.Level, _ = trustlevel(r.value) // has no faults
			rules = append(rules, rule)
		}
	}
	return rules
}
