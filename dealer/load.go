package dealer

import "github.com/wampgate/wampgate/dealer/wamp"

// With the policy "least_loaded" the callee gets a call that works on the
// fewest calls of the registration; among equals, the one whose last turn is
// the longest ago, so that idle callees take turns like with "roundrobin". The
// places of such a registration are a heap in that order: a call and an answer
// cost O(log n) for n callees.

// leastLoaded returns the able place with the least load. It looks at all
// places if it is a progressive call and the first choice takes none.
func (r *registration) leastLoaded(streaming bool) *place {
	best := r.places[0]
	if best.able(streaming) {
		return best
	}
	var able []*place
	for _, p := range r.places {
		if p.able(streaming) {
			able = append(able, p)
		}
	}
	return lightest(able)
}

// lightest returns the best choice of some places.
func lightest(places []*place) *place {
	best := places[0]
	for _, p := range places {
		if p.lighter(best) {
			best = p
		}
	}
	return best
}

// lighter reports whether p is a better choice than other. Who has no room for
// a call comes last.
func (p *place) lighter(other *place) bool {
	switch {
	case p.full != other.full:
		return other.full
	case p.inFlight != other.inFlight:
		return p.inFlight < other.inFlight
	}
	return p.turn < other.turn
}

// nextTurn notes that p had its turn, or that it is new: then those that were
// there before go first.
func (r *registration) nextTurn(p *place) {
	if r.policy == wamp.InvokeLeastLoaded {
		r.turns++
		p.turn = r.turns
		r.weigh(p)
	}
}

// weigh moves p to where it belongs, after its load has changed or it has been
// moved. Package heap would do the same with an interface around it.
func (r *registration) weigh(p *place) {
	if r.policy != wamp.InvokeLeastLoaded || p.gone {
		return
	}
	for p.at > 0 && p.lighter(r.places[(p.at-1)/2]) {
		r.swap(p, r.places[(p.at-1)/2])
	}
	for {
		child := 2*p.at + 1
		if child >= len(r.places) {
			return
		}
		if child+1 < len(r.places) && r.places[child+1].lighter(r.places[child]) {
			child++
		}
		if !r.places[child].lighter(p) {
			return
		}
		r.swap(p, r.places[child])
	}
}

func (r *registration) swap(p, q *place) {
	r.places[p.at], r.places[q.at] = q, p
	p.at, q.at = q.at, p.at
}
