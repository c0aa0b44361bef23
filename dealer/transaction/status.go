package transaction

import (
	"cmp"
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Status is what there is to tell of a transaction.
type Status struct {
	ID       string
	Realm    wamp.URI
	Owner    string // authid; "anonymous" for all without credentials
	Mode     string // saga or tcc; empty if each branch is as it was registered
	State    State
	Stuck    bool
	Begun    time.Time
	Expires  time.Time
	Ended    time.Time // zero before
	Error    wamp.URI  // of the branch that was refused
	Reason   string    // why it was aborted or forced
	Branches []BranchStatus
}

// A BranchStatus is what there is to tell of a branch.
type BranchStatus struct {
	Procedure wamp.URI
	Kind      string // saga or tcc
	State     string
	Attempts  int // that failed, of what is under way
	Error     wamp.URI
}

// Dict returns the status as the procedures tell it: times are milliseconds
// since 1970.
func (s *Status) Dict() wamp.Dict {
	branches := make([]any, len(s.Branches))
	for i, b := range s.Branches {
		d := wamp.Dict{"branch": int64(i + 1), "procedure": string(b.Procedure), "kind": b.Kind, "state": b.State, "attempts": int64(b.Attempts)}
		if b.Error != "" {
			d["error"] = string(b.Error)
		}
		branches[i] = d
	}
	d := wamp.Dict{
		"transaction": s.ID, "owner": s.Owner, "mode": s.Mode, "state": string(s.State), "stuck": s.Stuck,
		"begun": s.Begun.UnixMilli(), "expires": s.Expires.UnixMilli(), "branches": branches,
	}
	if !s.Ended.IsZero() {
		d["ended"] = s.Ended.UnixMilli()
	}
	if s.Error != "" {
		d["error"] = string(s.Error)
	}
	if s.Reason != "" {
		d["reason"] = s.Reason
	}
	return d
}

func (t *tx) status(stuckAfter int) Status {
	s := &t.state
	st := Status{
		ID: s.ID, Realm: s.Realm, Owner: custody.Readable(s.Owner), Mode: s.Mode, State: s.state, Stuck: s.stuck(stuckAfter),
		Begun: s.begun, Expires: s.deadline, Ended: s.ended, Reason: s.reason,
	}
	for _, b := range s.branches {
		kind := modeSaga
		if b.reserves() {
			kind = modeTCC
		}
		st.Branches = append(st.Branches, BranchStatus{b.Procedure, kind, b.state, b.attempts, b.error})
		if b.refused {
			st.Error = b.error
		}
	}
	return st
}

const (
	modeSaga = "saga"
	modeTCC  = "tcc"
)

// find returns a transaction that who may see, nil if there is none. An admin
// who has none with that id gets somebody's.
func (c *Coordinator) lookup(realm wamp.URI, who wamp.Identity, id string) *tx {
	if t := c.byKey[keyOf(realm, custody.Owner(who), id)]; t != nil || who.Authrole != custody.AdminRole {
		return t
	}
	for _, t := range c.byKey {
		if t.state.Realm == realm && t.state.ID == id {
			return t
		}
	}
	return nil
}

// list returns the transactions that who may see, the latest first. Those
// without credentials are many; each knows the ids of his own.
func (c *Coordinator) list(realm wamp.URI, who wamp.Identity, only State, limit int) []any {
	owner, all := custody.Owner(who), who.Authrole == custody.AdminRole
	if owner == custody.Anonymous && !all && !c.config.ShareAnonymous {
		return []any{}
	}
	var found []*tx
	for _, t := range c.byKey {
		if t.state.Realm == realm && (t.state.Owner == owner || all) && t.shown.State != "" && (only == "" || t.shown.State == only) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *tx) int { return cmp.Or(b.state.begun.Compare(a.state.begun), cmp.Compare(a.key, b.key)) })
	told := []any{}
	for _, t := range found[:min(len(found), limit)] {
		told = append(told, t.shown.Dict())
	}
	return told
}
