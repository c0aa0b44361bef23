package dealer

import "github.com/wampgate/wampgate/dealer/wamp"

// choose returns the place that gets a new call now: the one that the policy
// picks, or the next in line whose callee can take what the call asks for. It
// is nil if the call has to wait until a callee has room, or cannot go to any,
// for the reason returned. Only calls that ask for something look at more
// places than one.
func (d *Dealer) choose(r *registration, o *wamp.CallOptions) (*place, refusal) {
	served := r.served
	p := r.choose(o.Progress, d.config.Rand)
	if o.Passthru == nil && o.TrustLevel != trustAcknowledged {
		return p, refusal{}
	}
	if p = r.capable(p, o); p != nil {
		return p, refusal{}
	}
	r.served = served // nobody had a turn
	return nil, r.lacks(o)
}

// capable returns p, or the next one in line, that can take a call with these
// options now; nil if there is none.
func (r *registration) capable(p *place, o *wamp.CallOptions) *place {
	if p == nil || p.session.lacks(o).uri == "" {
		return p
	}
	if r.policy == wamp.InvokeLeastLoaded {
		return r.lightestCapable(o)
	}
	for other := r.next(p); other != p; other = r.next(other) {
		if !other.able(o.Progress) || other.session.lacks(o).uri != "" {
			continue
		}
		if r.served == p {
			r.served = other
		}
		return other
	}
	return nil
}

// lightestCapable is capable for the policy "least_loaded".
func (r *registration) lightestCapable(o *wamp.CallOptions) *place {
	var capable []*place
	for _, p := range r.places {
		if p.able(o.Progress) && p.session.lacks(o).uri == "" {
			capable = append(capable, p)
		}
	}
	if capable == nil {
		return nil
	}
	return lightest(capable)
}

// next returns who is in line after p, around the end.
func (r *registration) next(p *place) *place {
	if r.policy != wamp.InvokeLast {
		return r.following(p)
	}
	if p.before == nil {
		return r.last
	}
	return p.before
}

// lacks returns why no callee could take a call with these options, however
// long it waits.
func (r *registration) lacks(o *wamp.CallOptions) refusal {
	var why refusal
	for p := r.first; p != nil; p = p.after {
		if !p.streaming && o.Progress {
			continue
		}
		if why = p.session.lacks(o); why.uri == "" {
			break
		}
	}
	return why
}

// lacks returns why the callee cannot take a call with these options.
func (s *session) lacks(o *wamp.CallOptions) refusal {
	switch {
	case o.Passthru != nil && !s.callee.Has(wamp.FeaturePayloadPassthruMode):
		return refusal{wamp.ErrFeatureNotSupported, "the callee does not take payload passthru mode"}
	case o.TrustLevel == trustAcknowledged && !s.acknowledges:
		return refusal{wamp.ErrOptionNotAllowed, "the callee's connection cannot acknowledge"}
	}
	return refusal{}
}
