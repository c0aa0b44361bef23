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

// TestTrustlevel shows which trust rules the realms get.
func TestTrustlevel(t *testing.T) {
	t.Parallel()
	s := &settings{Realm: []string{"a", "b"}, Trustlevel: []string{"b#=1", "prefix:com.=2", "wildcard:com..pay@admin=3", "com.a@b@=4"}}
	if fault := trustFault(s.Trustlevel, s.Realm); fault != "" {
		t.Fatal(fault)
	}
	common := []dealer.TrustRule{
		{Match: wamp.MatchPrefix, URI: "com.", Level: 2},
		{Match: wamp.MatchWildcard, URI: "com..pay", Authrole: "admin", Level: 3},
		{Match: wamp.MatchExact, URI: "com.a@b", Level: 4},
	}
	if got := s.trustlevels("a"); !reflect.DeepEqual(got, common) {
		t.Errorf("realm a: %v, want %v", got, common)
	}
	own := append(common, dealer.TrustRule{Match: wamp.MatchPrefix, URI: "", Level: 1})
	if got := s.trustlevels("b"); !reflect.DeepEqual(got, own) {
		t.Errorf("realm b: %v, want %v", got, own)
	}
}
