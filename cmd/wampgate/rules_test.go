package main

import (
	"reflect"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestDiscloseFor shows which policies the realms get.
func TestDiscloseFor(t *testing.T) {
	t.Parallel()
	s := &settings{
		Realm:    []string{"a", "b"},
		Disclose: "either",
		DiscloseFor: []string{
			"b#prefix:com.=always", "b#=never", "prefix:com.=both", "wildcard:com..log=never", "exact:com.p=q=always",
		},
	}
	if fault := discloseFault(s.DiscloseFor, s.Realm); fault != "" {
		t.Fatal(fault)
	}
	common := []dealer.DiscloseRule{
		{Match: wamp.MatchPrefix, URI: "com.", Policy: dealer.DiscloseBoth},
		{Match: wamp.MatchWildcard, URI: "com..log", Policy: dealer.DiscloseNever},
		{Match: wamp.MatchExact, URI: "com.p=q", Policy: dealer.DiscloseAlways},
	}
	policy, rules := s.disclosure("a")
	if policy != dealer.DiscloseEither || !reflect.DeepEqual(rules, common) {
		t.Errorf("realm a: %v, %v, want %v, %v", policy, rules, dealer.DiscloseEither, common)
	}
	policy, rules = s.disclosure("b")
	own := append(common, dealer.DiscloseRule{Match: wamp.MatchPrefix, URI: "com.", Policy: dealer.DiscloseAlways})
	if policy != dealer.DiscloseNever || !reflect.DeepEqual(rules, own) {
		t.Errorf("realm b: %v, %v, want %v, %v", policy, rules, dealer.DiscloseNever, own)
	}
}
