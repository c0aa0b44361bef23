package wamp

// Features is the set of advanced-profile features that one role of a session
// announced (spec, section "Feature Announcement").
type Features uint32

// The features wampgate gives a meaning to.
const (
	FeatureProgressiveCallResults Features = 1 << iota
	FeatureProgressiveCallInvocations
	FeatureCallTimeout
	FeatureCallCanceling
	FeatureCallerIdentification
	FeatureCallTrustlevels
	FeatureRegistrationMetaAPI
	FeaturePatternBasedRegistration
	FeatureSharedRegistration
	FeatureShardedRegistration
	FeatureRegistrationRevocation
	FeatureCallReroute
	FeaturePayloadPassthruMode
	FeatureSessionMetaAPI
	FeaturePatternBasedSubscription // of brokers
)

// Has reports whether all features of want are in f.
func (f Features) Has(want Features) bool { return f&want == want }

// Dict returns the set as the dict of a WELCOME or HELLO: {name: true, …},
// never nil.
func (f Features) Dict() Dict {
	d := Dict{}
	for i, name := range featureNames() {
		if f.Has(1 << i) {
			d[name] = true
		}
	}
	return d
}

// featureNames lists the wire names in the order of the constants.
func featureNames() []string {
	return []string{
		"progressive_call_results",
		"progressive_call_invocations",
		"call_timeout",
		"call_canceling",
		"caller_identification",
		"call_trustlevels",
		"registration_meta_api",
		"pattern_based_registration",
		"shared_registration",
		"sharded_registration",
		"registration_revocation",
		"call_reroute",
		"payload_passthru_mode",
		"session_meta_api",
		"pattern_based_subscription",
	}
}

// Roles are the roles a client announced in HELLO.
type Roles struct {
	Caller, Callee, Publisher, Subscriber bool

	CallerFeatures Features // only set when Caller
	CalleeFeatures Features // only set when Callee
}

// ParseRoles reads HELLO.Details.roles. The spelling "call_cancelling" is
// taken as "call_canceling". It fails, wrapping [ErrMalformed], when roles is
// missing, is no dict, or names no role that WAMP knows.
func ParseRoles(details Dict) (Roles, error) {
	var r Roles
	roles, ok := details.Dict("roles")
	if !ok {
		return r, malformed("HELLO.Details.roles is missing or not a dict")
	}
	_, r.Publisher = roles["publisher"]
	_, r.Subscriber = roles["subscriber"]
	if role, ok := roles["caller"]; ok {
		r.Caller = true
		r.CallerFeatures = parseFeatures(role)
	}
	if role, ok := roles["callee"]; ok {
		r.Callee = true
		r.CalleeFeatures = parseFeatures(role)
	}
	if !r.Caller && !r.Callee && !r.Publisher && !r.Subscriber {
		return r, malformed("HELLO.Details.roles names none of caller, callee, publisher, subscriber")
	}
	return r, nil
}

func parseFeatures(role any) Features {
	dict, _ := role.(Dict)
	announced, _ := dict.Dict("features")
	var f Features
	for i, name := range featureNames() {
		if on, _ := announced.Bool(name); on {
			f |= 1 << i
		}
	}
	if on, _ := announced.Bool("call_cancelling"); on {
		f |= FeatureCallCanceling
	}
	return f
}
