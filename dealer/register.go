package dealer

import (
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// register gives a session a place in a new registration, or in one that is
// shared.
func (d *Dealer) register(now time.Time, s *session, m *wamp.Register) error {
	if err := s.accept(wamp.TypeRegister, m.Request); err != nil {
		return err
	}
	r, _ := d.procedures.At(match.Policy(m.Options.Match), string(m.Procedure))
	why := d.checkRegister(s, m, r)
	if why.uri == "" {
		shared := r
		if m.Options.Force && r != nil && r.group == nil {
			shared = nil // it is about to go
		}
		why = checkTransaction(m.Options.Transaction, shared)
	}
	about, fault := d.readDescription(r, m.Options.Custom["_http"])
	if why.uri == "" {
		why = fault
	}
	if why.uri != "" {
		d.refuse(s, wamp.TypeRegister, m.Request, why)
		return nil
	}
	var waiting *queue
	if r != nil && m.Options.Force && r.group == nil {
		waiting = d.displace(now, r, wamp.ErrUnregistered) // for the new callee
		r = nil
	}
	if r == nil {
		r = d.newRegistration(now, m)
		r.queue = waiting
	}
	p := d.addPlace(r, s, m.Options)
	d.out.add(s, &wamp.Registered{Request: m.Request, Registration: r.id})
	d.placeAdded(r, s)
	d.tellKeepers(r)
	if about != nil {
		d.describe(r, about)
		d.defined(r)
	}
	d.refill(now, p)
	if r.group != nil {
		d.joinGroup(now, p, &m.Options)
	}
	d.dropHopeless(now, r)
	return nil
}

// checkRegister returns what speaks against a REGISTER; r is the registration
// of the same URI and match policy, or nil.
func (d *Dealer) checkRegister(s *session, m *wamp.Register, r *registration) refusal {
	switch {
	case !m.Procedure.ValidPattern(m.Options.Match):
		return refusal{wamp.ErrInvalidURI, "not a valid URI: " + quote(m.Procedure)}
	case m.Procedure.Reserved():
		return refusal{wamp.ErrInvalidURI, "URIs that begin with wamp are reserved"}
	case m.Procedure == describeURI:
		return refusal{wamp.ErrProcedureAlreadyExists, quote(describeURI) + " is the gateway's own procedure"}
	case keptURI(m.Procedure):
		return refusal{wamp.ErrProcedureAlreadyExists, quote(m.Procedure) + " is the gateway's own"}
	case m.Options.Invoke >= wamp.InvokeUnknown:
		return refusal{wamp.ErrInvalidArgument, "invoke is none of single, roundrobin, random, first, last, least_loaded"}
	case m.Options.Concurrency == wamp.ConcurrencyUnknown:
		return refusal{wamp.ErrInvalidArgument, "concurrency is not a positive integer"}
	case m.Options.DiscloseCaller && d.disclosureOf(m.Options.Match, m.Procedure) == DiscloseNever:
		return refuseDisclosure()
	case m.Options.Shard != nil || r != nil && r.group != nil:
		return d.checkShard(s, m, r)
	case r != nil && m.Options.Force:
		return checkForce(s, r)
	case r != nil:
		return checkShared(s, m, r)
	}
	return d.checkRoom()
}

// checkShared returns what speaks against a further callee of r.
func checkShared(s *session, m *wamp.Register, r *registration) refusal {
	switch {
	case r.policy == wamp.InvokeSingle || r.policy != m.Options.Invoke:
		return refusal{wamp.ErrProcedureAlreadyExists, quote(r.procedure) + " is registered with invoke " + r.policy.String()}
	case s.places[r.id] != nil:
		return refusal{wamp.ErrProcedureAlreadyExists, "this session has registered " + quote(r.procedure)}
	}
	return s.dealer.checkRoom()
}

func (d *Dealer) checkRoom() refusal {
	if d.places >= d.config.MaxRegistrations {
		return refusal{wamp.ErrUnavailable, "the realm is full of registrations"}
	}
	return refusal{}
}

// newRegistration makes a registration. Its id comes from a counter: some
// clients turn integers from 2^32 on into floats.
func (d *Dealer) newRegistration(now time.Time, m *wamp.Register) *registration {
	d.lastRegistration = d.lastRegistration.Next()
	r := &registration{
		id:        d.lastRegistration,
		procedure: wamp.URI(strings.Clone(string(m.Procedure))),
		match:     match.Policy(m.Options.Match),
		policy:    m.Options.Invoke,
		created:   now,

		transaction: cloneTransaction(m.Options.Transaction),
	}
	d.registrations.add(r.id, r)
	if m.Options.Shard != nil {
		r.group = d.newGroup(r, m.Options.Shard)
	}
	d.procedures.Set(r.match, string(r.procedure), r)
	r.tally = d.tallies.of(r)
	return r
}

func (d *Dealer) addPlace(r *registration, s *session, o wamp.RegisterOptions) *place {
	p := &place{
		session:        s,
		streaming:      s.progressive(wamp.FeatureProgressiveCallInvocations),
		safe:           declaredSafe(o),
		discloseCaller: o.DiscloseCaller,
		forwardTimeout: s.keepsTimeouts(o.ForwardTimeout),
		reroutes:       s.callee.Has(wamp.FeatureCallReroute) && r.group == nil,
		limit:          o.Concurrency,
		counted:        o.Concurrency > 0 || r.policy == wamp.InvokeLeastLoaded,
	}
	r.add(p)
	if s.places == nil {
		s.places = make(map[wamp.ID]*place)
	}
	s.places[r.id] = p
	d.places++
	d.changes++
	return p
}

// declaredSafe reads the option "_http": {"safe": true}, which says that a
// call changes nothing, so that HTTP may make it with GET.
func declaredSafe(o wamp.RegisterOptions) bool {
	http, _ := o.Custom.Dict("_http")
	safe, _ := http.Bool("safe")
	return safe
}

// unregister gives a session's place up. Invocations it is working on go on.
func (d *Dealer) unregister(now time.Time, s *session, m *wamp.Unregister) error {
	if err := s.accept(wamp.TypeUnregister, m.Request); err != nil {
		return err
	}
	p := s.places[m.Registration]
	if p == nil {
		d.refuse(s, wamp.TypeUnregister, m.Request, refusal{wamp.ErrNoSuchRegistration, ""})
		return nil
	}
	d.out.add(s, &wamp.Unregistered{Request: m.Request})
	d.removePlace(now, p)
	return nil
}

// removePlace takes a callee out of a registration, and the registration out
// of the realm with its last callee. Calls that nobody is left for end. Events
// follow at once: a reply goes before.
func (d *Dealer) removePlace(now time.Time, p *place) {
	r := p.registration
	r.remove(p)
	delete(p.session.places, r.id)
	d.places--
	d.changes++
	if len(r.places) == 0 {
		d.procedures.Delete(r.match, string(r.procedure))
		d.registrations.remove(r.id)
		d.tallies.left(r.tally)
		d.descriptions -= r.about.size()
	}
	if r.group != nil {
		d.leaveGroup(now, p)
	}
	d.dropHopeless(now, r)
	d.placeRemoved(r, p.session)
}
