package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// An Action is what somebody wants to do with a URI.
type Action uint8

// The actions.
const (
	Call         Action = iota // CALL it
	Register                   // REGISTER it
	RegisterHTTP               // REGISTER it with options for HTTP ("_http")
	Meta                       // ask the meta API, or SUBSCRIBE to its events
	Admin                      // have the meta API change something
	actionCount
)

func actionNames() []string { return []string{"call", "register", "register_http", "meta", "admin"} }

// ParseAction reads the name of an action.
func ParseAction(name string) (Action, error) {
	if i := slices.Index(actionNames(), name); i >= 0 {
		return Action(i), nil //nolint:gosec // one of five
	}
	return 0, fmt.Errorf("%q is none of %s", name, strings.Join(actionNames(), ", "))
}

// String returns the name.
func (a Action) String() string { return actionNames()[a] }

// A Disclosure says whether callees learn who calls, before what caller and
// callee ask for.
type Disclosure uint8

// The disclosures.
const (
	DiscloseAsked Disclosure = iota // as they ask
	DiscloseYes                     // as if the caller asked
	DiscloseNo                      // a caller that asks is refused
)

// A Rule says what a role may do with the URIs of a pattern.
type Rule struct {
	Match wamp.MatchPolicy
	URI   wamp.URI // the empty prefix is for all
	Allow []Action // none: nothing

	Disclose Disclosure

	// TrustLevels are those that a call may ask for; empty: all.
	TrustLevels []string

	// MaxTimeout is the most that a call may take: one that asks for more, or
	// for no timeout, gets this one. Zero: no bound.
	MaxTimeout time.Duration

	// MinTimeout is the least: a call that asks for less is refused, for one
	// that is given up at once is all cost and no use. Zero: no bound.
	MinTimeout time.Duration

	// Rate, Burst and Concurrency bound the calls of a principal: calls per
	// second, calls at once after a pause (zero: twice the rate), and calls in
	// flight. Zero: no bound. Package router enforces them.
	Rate        float64
	Burst       int
	Concurrency int
}

func (r *Rule) pattern() pattern { return pattern{r.Match, string(r.URI)} }

// Bounded reports whether there is a rate or a concurrency to keep.
func (r *Rule) Bounded() bool { return r.Rate > 0 || r.Concurrency > 0 }

func (r *Rule) allows(a Action) bool { return slices.Contains(r.Allow, a) }

// A Role is what some principals may do: what its rules allow, and nothing
// else.
type Role struct {
	Name  string
	Rules []Rule

	// Authorizer is a procedure that decides where no rule does; empty: no. It
	// is called with [session, uri, action, {"match"}], where session is a dict
	// of session, realm, authid, authrole, authmethod and authprovider, and
	// returns a bool, or {"allow": bool, "ttl": seconds}.
	Authorizer wamp.URI

	// AuthorizerTTL is how long an answer holds that names no time of its own.
	AuthorizerTTL time.Duration
}

// A Policy is the rights of all roles. It does not change.
type Policy struct{ roles map[string]*Role }

// NewPolicy checks roles. Of the rules of a role, none may be there twice.
func NewPolicy(roles []Role) (*Policy, error) {
	p := &Policy{roles: make(map[string]*Role, len(roles))}
	for _, role := range roles {
		if role.Name == "" || p.roles[role.Name] != nil {
			return nil, fmt.Errorf("role %q is there twice, or has no name", role.Name)
		}
		role.Rules = slices.Clone(role.Rules)
		slices.SortFunc(role.Rules, func(a, b Rule) int { return a.pattern().compare(b.pattern()) })
		for i, rule := range role.Rules {
			if fault := rule.fault(); fault != "" {
				return nil, fmt.Errorf("role %q: %s", role.Name, fault)
			}
			if i > 0 && rule.pattern() == role.Rules[i-1].pattern() {
				return nil, fmt.Errorf("role %q has two rules for %s", role.Name, rule.pattern())
			}
		}
		p.roles[role.Name] = &role
	}
	return p, nil
}

// fault says what is wrong with a rule.
func (r *Rule) fault() string {
	everything := r.URI == "" && r.Match == wamp.MatchPrefix
	switch {
	case !everything && !r.URI.ValidPattern(r.Match):
		return fmt.Sprintf("%q is not a URI, or pattern, to be matched with %s", r.URI, r.Match)
	case r.MaxTimeout != 0 && r.MaxTimeout < time.Millisecond:
		return fmt.Sprintf("%s: a timeout of %v is too short", r.pattern(), r.MaxTimeout)
	case r.MinTimeout < 0 || r.MaxTimeout != 0 && r.MinTimeout > r.MaxTimeout:
		return fmt.Sprintf("%s: a timeout cannot be at least %v and at most %v", r.pattern(), r.MinTimeout, r.MaxTimeout)
	case r.Rate < 0 || r.Burst < 0 || r.Concurrency < 0:
		return fmt.Sprintf("%s: a bound is negative", r.pattern())
	case r.Burst > 0 && r.Rate == 0:
		return fmt.Sprintf("%s: a burst is nothing without a rate", r.pattern())
	}
	return ""
}

// Has reports whether there is a role of that name.
func (p *Policy) Has(role string) bool { return p.roles[role] != nil }

// Rights returns what a role may do; one that is not in the policy may do
// nothing.
func (p *Policy) Rights(role string) *Rights {
	r := p.roles[role]
	if r == nil {
		r = &Role{Name: role}
	}
	return &Rights{role: r}
}

// maxDecisions bounds the decisions that are kept for one role and action.
const maxDecisions = 10_000

// Rights are what a role may do, with the decisions made so far. They belong
// to one goroutine at a time.
type Rights struct {
	role *Role
	made [actionCount]map[wamp.URI]*Decision
}

// A Decision is an answer to the question whether somebody may do something.
type Decision struct {
	Allowed bool
	Ask     bool   // the role's authorizer decides
	Rule    *Rule  // that decided; nil if none did
	Text    string // why not, for people
}

// May decides about one URI. The Decision is shared: do not change it. One that
// was made before costs a look into a map.
func (r *Rights) May(a Action, uri wamp.URI) *Decision {
	made := r.made[a]
	if d := made[uri]; d != nil {
		return d
	}
	d := r.decide(a, pattern{wamp.MatchExact, string(uri)})
	if made == nil || len(made) >= maxDecisions {
		made = make(map[wamp.URI]*Decision)
		r.made[a] = made
	}
	made[wamp.URI(strings.Clone(string(uri)))] = d // uri may be part of a buffer
	return d
}

// MayAll decides about all URIs of a pattern together: a rule must cover them
// all, and no rule that goes before it may forbid some of them.
func (r *Rights) MayAll(a Action, match wamp.MatchPolicy, uri wamp.URI) *Decision {
	if match == wamp.MatchExact {
		return r.May(a, uri)
	}
	return r.decide(a, pattern{match, string(uri)})
}

// decide goes through the rules, which are in the order in which they count.
func (r *Rights) decide(a Action, what pattern) *Decision {
	for i := range r.role.Rules {
		rule := &r.role.Rules[i]
		its := rule.pattern()
		switch {
		case !its.overlaps(what):
			continue
		case !rule.allows(a):
			return &Decision{Rule: rule, Text: r.refusal(a, what)}
		case its.covers(what):
			return &Decision{Allowed: true, Rule: rule}
		}
	}
	if r.role.Authorizer != "" {
		return &Decision{Ask: true}
	}
	return &Decision{Text: r.refusal(a, what)}
}

// refusal tells why not. It does not name the rule, which is nobody's business
// but the operator's.
func (r *Rights) refusal(a Action, what pattern) string {
	return fmt.Sprintf("role %q has no permission %q for %s", r.role.Name, a, shorten(what.String()))
}

// Sees reports whether a role may know that uri is registered: it may call it
// or register it.
func (r *Rights) Sees(uri wamp.URI) bool {
	return r.May(Call, uri).Allowed || r.May(Register, uri).Allowed
}

// Authorizer returns the procedure that decides where no rule does, and how
// long its answers hold.
func (r *Rights) Authorizer() (wamp.URI, time.Duration) {
	return r.role.Authorizer, r.role.AuthorizerTTL
}

// Explain says in words what a role may do with a URI, and why.
func (p *Policy) Explain(role string, a Action, uri wamp.URI) string {
	if !p.Has(role) {
		return fmt.Sprintf("no: there is no role %q", role)
	}
	d := p.Rights(role).May(a, uri)
	switch {
	case d.Ask:
		return fmt.Sprintf("asked: no rule of role %q is for %s, so %s decides", role, uri, p.roles[role].Authorizer)
	case d.Rule == nil:
		return fmt.Sprintf("no: no rule of role %q is for %s", role, uri)
	}
	verdict := "no"
	if d.Allowed {
		verdict = "yes"
	}
	text := fmt.Sprintf("%s: the rule of role %q for %s allows %s", verdict, role, d.Rule.pattern(), allowed(d.Rule.Allow))
	if bounds := d.Rule.bounds(); d.Allowed && a == Call && len(bounds) > 0 {
		text += "; " + strings.Join(bounds, ", ")
	}
	return text
}

// bounds says in words how a rule bounds calls.
func (r *Rule) bounds() []string {
	var all []string
	add := func(set bool, format string, args ...any) {
		if set {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(r.Rate > 0, "at most %v calls a second", r.Rate)
	add(r.Burst > 0, "%d at once", r.Burst)
	add(r.Concurrency > 0, "at most %d in flight", r.Concurrency)
	add(r.MinTimeout > 0, "with a timeout of at least %v", r.MinTimeout)
	add(r.MaxTimeout > 0, "with a timeout of at most %v", r.MaxTimeout)
	add(len(r.TrustLevels) > 0, "with trust level %s", strings.Join(r.TrustLevels, " or "))
	add(r.Disclose == DiscloseYes, "callees learn who calls")
	add(r.Disclose == DiscloseNo, "callees do not learn who calls")
	return all
}

func allowed(actions []Action) string {
	if len(actions) == 0 {
		return "nothing"
	}
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = a.String()
	}
	return strings.Join(names, ", ")
}
