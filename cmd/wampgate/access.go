package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// An access is who may come in and what they may do there: the sections "auth",
// "roles" and "principals" of a configuration file. The zero access is that of
// a file without them.
type access struct {
	anonymousRole string
	methods       []string // nil: those that somebody has credentials for
	dynamic       *auth.Dynamic
	roles         []auth.Role
	principals    []auth.Principal
	http          httpAccess
	seed          [32]byte // what unknown principals are answered with comes of it
	files         []string // that were read beside the configuration file

	lines map[string]int // of sections, roles and principals, such as "roles", "roles.user"
}

// sections are the keys of a configuration file that hold more than a value.
func sections() []string { return []string{"auth", "descriptions", "openapi", "roles", "principals"} }

// known reports whether somebody can come in with credentials.
func (a *access) known() bool { return len(a.principals) > 0 || a.dynamic != nil || a.http.known() }

// any reports whether is holds for one of the principals.
func (a *access) any(is func(*auth.Principal) bool) bool {
	for i := range a.principals {
		if is(&a.principals[i]) {
			return true
		}
	}
	return false
}

// role returns the role of an authid; that of anonymous peers too, if they are
// let in.
func (a *access) role(authid string, anonymous bool) (string, bool) {
	for i := range a.principals {
		if a.principals[i].Authid == authid {
			return a.principals[i].Role, true
		}
	}
	return a.anonymousRole, anonymous && authid == auth.Anonymous
}

// authenticator returns who decides whom to let in.
func (a *access) authenticator(anonymous bool) (*auth.Authenticator, error) {
	c := auth.Config{Methods: a.methods, Principals: a.principals, Dynamic: a.dynamic, Token: a.http.verifyToken(), Secret: a.seed}
	if anonymous {
		c.AnonymousRole = a.anonymousRole
		if c.Methods != nil && !slices.Contains(c.Methods, auth.Anonymous) {
			c.Methods = append(slices.Clone(c.Methods), auth.Anonymous)
		}
	}
	return auth.New(c)
}

// policy returns what roles may do; nil, everything, if none are named.
func (a *access) policy() (*auth.Policy, error) {
	if len(a.roles) == 0 {
		return nil, nil
	}
	return auth.NewPolicy(a.roles)
}

// fault says what is wrong with the sections as a whole, and with which of
// them.
func (a *access) fault(anonymous bool, realms []string) (section, text string) {
	switch {
	case a.known() && len(a.roles) == 0:
		if a.dynamic != nil || a.http.known() {
			return "auth", "there are no roles to give to those who come in; name them under roles"
		}
		return "principals", "principals have roles; name them under roles"
	case anonymous && len(a.roles) > 0 && !a.has(a.anonymousRole):
		return "roles", fmt.Sprintf("anonymous is on, but there is no role %q; say under roles what it may do", a.anonymousRole)
	}
	for _, role := range a.http.roles() {
		if !a.has(role) {
			return "auth", fmt.Sprintf("there is no role %q%s", role, a.meant(role))
		}
	}
	for i := range a.principals {
		p := &a.principals[i]
		if !a.has(p.Role) {
			return "principals." + p.Authid, fmt.Sprintf("there is no role %q%s", p.Role, a.meant(p.Role))
		}
		for _, realm := range p.Realms {
			if !slices.Contains(realms, string(realm)) {
				return "principals." + p.Authid, fmt.Sprintf("there is no realm %q", realm)
			}
		}
	}
	if _, err := a.authenticator(false); err != nil {
		return "principals", err.Error()
	}
	return "", ""
}

func (a *access) has(role string) bool {
	return slices.ContainsFunc(a.roles, func(r auth.Role) bool { return r.Name == role })
}

// meant suggests a role for a misspelled one.
func (a *access) meant(role string) string {
	var names []string
	for _, r := range a.roles {
		names = append(names, r.Name)
	}
	if best, ok := nearest(role, names); ok {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

// describe tells of roles and principals in comments, without anything secret.
func (a *access) describe(path string) []string {
	var lines []string
	add := func(key, text string) {
		lines = append(lines, fmt.Sprintf("%-44s # %s:%d", "# "+text, path, a.lines[key]))
	}
	for _, r := range a.roles {
		text := fmt.Sprintf("role %s: %d permissions", r.Name, len(r.Rules))
		if r.Authorizer != "" {
			text += ", else " + string(r.Authorizer) + " decides"
		}
		add("roles."+r.Name, text)
	}
	for _, text := range a.http.describe() {
		add("auth", text)
	}
	for i := range a.principals {
		p := &a.principals[i]
		add("principals."+p.Authid, fmt.Sprintf("principal %s: role %s; %s", p.Authid, p.Role, credentials(p)))
	}
	return lines
}

// credentials names the kinds of credentials that a principal has.
func credentials(p *auth.Principal) string {
	var kinds []string
	add := func(has bool, kind string) {
		if has {
			kinds = append(kinds, kind)
		}
	}
	add(p.Ticket != nil, auth.Ticket)
	add(p.CRA != nil, auth.CRA)
	add(p.SCRAM != nil, auth.SCRAM)
	add(len(p.Keys) > 0, auth.Cryptosign)
	add(len(p.Certificates) > 0, auth.TLS)
	add(len(p.APIKeys) > 0, "api-key")
	if kinds == nil {
		return "no credentials"
	}
	return strings.Join(kinds, ", ")
}

// explain answers a question of check-config: AUTHID URI ACTION.
func (a *access) explain(question []string, anonymous bool) (answer string, may bool, err error) {
	if len(question) != 3 {
		return "", false, errors.New("--explain takes AUTHID URI ACTION, such as ada com.example.add call")
	}
	authid, uri := question[0], wamp.URI(question[1])
	action, err := auth.ParseAction(question[2])
	if err != nil {
		return "", false, fmt.Errorf("action: %w", err)
	}
	if !uri.Valid() {
		return "", false, fmt.Errorf("%q is not a URI", uri)
	}
	role, ok := a.role(authid, anonymous)
	if !ok {
		return fmt.Sprintf("no: there is no principal %q", authid), false, nil
	}
	policy, err := a.policy()
	if err != nil {
		return "", false, err
	}
	if policy == nil {
		return "yes: there are no roles, so everybody may do everything", true, nil
	}
	answer = policy.Explain(role, action, uri)
	return answer, strings.HasPrefix(answer, "yes"), nil
}

// guarded reports whether roles say who may do what, the meta API included.
func (s *settings) guarded() bool { return s.access != nil && len(s.access.roles) > 0 }
