package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A registration is a procedure and the callees that share it. It exists as
// long as it has a place: the first REGISTER fixes its policy, the last
// callee takes it along.
type registration struct {
	id        wamp.ID
	procedure wamp.URI // or the pattern
	match     match.Policy
	policy    wamp.InvokePolicy

	first, last *place   // in order of registration
	served      *place   // who had the last turn (roundrobin); nil means the first is next
	turns       uint64   // turns given so far (least_loaded)
	places      []*place // in no particular order, to draw from at random; a heap by load (least_loaded)
	streaming   int      // how many places take progressive calls
	safe        int      // how many places were declared safe

	full          int    // how many places have no room for a call
	fullStreaming int    // how many of these take progressive calls
	queue         *queue // calls that wait for room; nil until one did
	created       time.Time
	about         *description // nil if nobody described it
	tally         *tally       // where its calls are counted; nil if they are not

	group *group // nil unless it is sharded

	transaction *wamp.TransactionOptions // nil if transactions cannot call it; not changed
}

// A place is a callee's part in a registration. What a callee asked for when
// it registered holds for its own invocations only.
type place struct {
	registration *registration
	session      *session
	streaming    bool // takes progressive calls
	safe         bool // declared to change nothing

	discloseCaller bool
	forwardTimeout bool
	reroutes       bool // may pass calls on

	limit    int    // most INVOCATIONs at once; 0 means any number
	counted  bool   // INVOCATIONs are counted
	inFlight int    // INVOCATIONs, if they are counted
	full     bool   // inFlight has reached limit
	turn     uint64 // when it had its last turn (least_loaded)
	gone     bool   // given up or taken away

	seat *seat // nil unless the registration is sharded

	before, after *place // in order of registration
	at            int    // index in registration.places
}

// add appends a place: it is the newest one.
func (r *registration) add(p *place) {
	p.registration, p.before, p.at = r, r.last, len(r.places)
	r.places = append(r.places, p)
	if r.last == nil {
		r.first = p
	} else {
		r.last.after = p
	}
	r.last = p
	if p.streaming {
		r.streaming++
	}
	if p.safe {
		r.safe++
	}
	r.nextTurn(p)
}

// remove takes a place out in constant time. The turns of the others go on as
// if it had never been there: nobody is skipped or served twice.
func (r *registration) remove(p *place) {
	p.gone = true
	if r.served == p {
		r.served = p.before
	}
	if p.before == nil {
		r.first = p.after
	} else {
		p.before.after = p.after
	}
	if p.after == nil {
		r.last = p.before
	} else {
		p.after.before = p.before
	}
	r.drop(p)
	if p.streaming {
		r.streaming--
	}
	if p.full {
		r.countFull(p, -1)
	}
}

// drop takes a place off the list, and moves the last one there.
func (r *registration) drop(p *place) {
	moved := r.places[len(r.places)-1]
	r.places[p.at], moved.at = moved, p.at
	r.places[len(r.places)-1] = nil
	r.places = r.places[:len(r.places)-1]
	r.weigh(moved)
	if p.safe {
		r.safe--
	}
}

// choose picks the place that gets a new call, by the registration's policy
// among those that are able to take it: a progressive call needs a callee
// that streams, and none gets more calls than it wants at once. It returns nil
// if there is none. It takes constant time unless it has to pass over places,
// since callees of both kinds, or busy ones and others, share the procedure.
func (r *registration) choose(streaming bool, rand func(int) int) *place {
	if r.able(streaming) == 0 {
		return nil
	}
	switch r.policy {
	case wamp.InvokeLast:
		return r.newest(streaming)
	case wamp.InvokeRandom:
		if rand != nil {
			return r.draw(streaming, rand)
		}
		return r.takeTurn(streaming)
	case wamp.InvokeRoundRobin:
		return r.takeTurn(streaming)
	case wamp.InvokeLeastLoaded:
		return r.leastLoaded(streaming)
	}
	return r.oldest(streaming)
}

// able returns how many places could take a call now.
func (r *registration) able(streaming bool) int {
	if streaming {
		return r.streaming - r.fullStreaming
	}
	return len(r.places) - r.full
}

func (p *place) able(streaming bool) bool { return !p.full && (p.streaming || !streaming) }

func (r *registration) oldest(streaming bool) *place {
	p := r.first
	for !p.able(streaming) {
		p = p.after
	}
	return p
}

func (r *registration) newest(streaming bool) *place {
	p := r.last
	for !p.able(streaming) {
		p = p.before
	}
	return p
}

// takeTurn returns the first able place after the one that had the last turn,
// around the end.
func (r *registration) takeTurn(streaming bool) *place {
	p := r.first
	if r.served != nil {
		p = r.following(r.served)
	}
	for !p.able(streaming) {
		p = r.following(p)
	}
	r.served = p
	return p
}

func (r *registration) following(p *place) *place {
	if p.after == nil {
		return r.first
	}
	return p.after
}

// draw returns each able place with the same probability.
func (r *registration) draw(streaming bool, rand func(int) int) *place {
	able := r.able(streaming)
	if able == len(r.places) {
		return r.places[rand(able)]
	}
	skip := rand(able)
	p := r.oldest(streaming)
	for ; skip > 0; skip-- {
		for p = p.after; !p.able(streaming); {
			p = p.after
		}
	}
	return p
}
