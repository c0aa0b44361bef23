package dealer

import (
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxTopic is the longest topic that may be subscribed to, in bytes. No event
// has one that is nearly as long.
const maxTopic = 256

// A broker keeps the subscriptions to the events of the meta API, which are the
// only ones there are: nobody publishes but the dealer itself.
type broker struct {
	subscriptions    map[topic]*subscription
	byEvent          [eventCount][]*subscription // those that an event goes to, oldest first
	members          int                         // over all subscriptions
	lastSubscription wamp.ID
	lastPublication  wamp.ID
	muted            bool     // events are published no more
	backlog          []notice // published, and yet to be sent
}

// A topic is what a SUBSCRIBE asks for.
type topic struct {
	match match.Policy
	uri   wamp.URI // or the pattern
}

// A subscription is a topic and the sessions that subscribed to it; as with
// registrations they share its id.
type subscription struct {
	id          wamp.ID
	topic       topic
	first, last *member // in the order they subscribed
}

// A member is a session's part in a subscription.
type member struct {
	subscription  *subscription
	session       *session
	before, after *member
}

// BrokerFeatures returns what a WELCOME announces for the role "broker".
func (d *Dealer) BrokerFeatures() wamp.Features {
	return wamp.FeatureSessionMetaAPI | wamp.FeaturePatternBasedSubscription
}

// subscribe handles a SUBSCRIBE. Who subscribes to the same once more gets the
// same subscription.
func (d *Dealer) subscribe(s *session, m *wamp.Subscribe) error {
	if err := s.accept(wamp.TypeSubscribe, m.Request); err != nil {
		return err
	}
	t := topic{match.Policy(m.Match), m.Topic}
	sub := d.broker.subscriptions[t]
	if sub == nil || s.subscriptions[sub.id] == nil {
		if why := d.checkSubscribe(s, m); why.uri != "" {
			d.refuse(s, wamp.TypeSubscribe, m.Request, why)
			return nil
		}
		sub = d.addMember(s, t)
	}
	d.out.add(s, &wamp.Subscribed{Request: m.Request, Subscription: sub.id})
	return nil
}

// checkSubscribe returns what speaks against a SUBSCRIBE.
func (d *Dealer) checkSubscribe(s *session, m *wamp.Subscribe) refusal {
	switch {
	case !m.Topic.ValidPattern(m.Match) || len(m.Topic) > maxTopic:
		return refusal{wamp.ErrInvalidURI, "not a valid topic: " + quote(m.Topic)}
	case !m.Topic.Reserved():
		return refusal{wamp.ErrNotAuthorized, "there are events of the meta API only, whose topics begin with wamp"}
	case s.inside && !d.config.MetaInside:
		return notInside(m.Topic)
	case len(s.subscriptions) >= d.config.MaxSubscriptionsEach:
		return refusal{wamp.ErrUnavailable, "the session has as many subscriptions as it may"}
	case d.broker.members >= d.config.MaxSubscriptions:
		return refusal{wamp.ErrUnavailable, "the realm is full of subscriptions"}
	}
	return refusal{}
}

// addMember makes s a member of the subscription to t.
func (d *Dealer) addMember(s *session, t topic) *subscription {
	sub := d.broker.subscriptions[t]
	if sub == nil {
		sub = d.broker.add(t)
	}
	m := &member{subscription: sub, session: s, before: sub.last}
	if sub.last == nil {
		sub.first = m
	} else {
		sub.last.after = m
	}
	sub.last = m
	if s.subscriptions == nil {
		s.subscriptions = make(map[wamp.ID]*member)
	}
	s.subscriptions[sub.id] = m
	d.broker.members++
	return sub
}

// add makes a subscription and finds out which events go to it.
func (b *broker) add(t topic) *subscription {
	t.uri = wamp.URI(strings.Clone(string(t.uri)))
	b.lastSubscription = b.lastSubscription.Next()
	sub := &subscription{id: b.lastSubscription, topic: t}
	if b.subscriptions == nil {
		b.subscriptions = make(map[topic]*subscription)
	}
	b.subscriptions[t] = sub
	var pattern match.Index[*subscription]
	pattern.Set(t.match, string(t.uri), sub)
	for e := range eventCount {
		if _, matches := pattern.Best(string(e.topic())); matches {
			b.byEvent[e] = append(b.byEvent[e], sub)
		}
	}
	return sub
}

// unsubscribe handles an UNSUBSCRIBE.
func (d *Dealer) unsubscribe(s *session, m *wamp.Unsubscribe) error {
	if err := s.accept(wamp.TypeUnsubscribe, m.Request); err != nil {
		return err
	}
	member := s.subscriptions[m.Subscription]
	if member == nil {
		d.refuse(s, wamp.TypeUnsubscribe, m.Request, refusal{wamp.ErrNoSuchSubscription, ""})
		return nil
	}
	d.broker.removeMember(member)
	d.out.add(s, &wamp.Unsubscribed{Request: m.Request})
	return nil
}

// removeMember takes a session out of a subscription, and the subscription
// away with its last member.
func (b *broker) removeMember(m *member) {
	sub := m.subscription
	if m.before == nil {
		sub.first = m.after
	} else {
		m.before.after = m.after
	}
	if m.after == nil {
		sub.last = m.before
	} else {
		m.after.before = m.before
	}
	delete(m.session.subscriptions, sub.id)
	b.members--
	if sub.first != nil {
		return
	}
	delete(b.subscriptions, sub.topic)
	for e := range b.byEvent {
		b.byEvent[e] = slices.DeleteFunc(b.byEvent[e], func(s *subscription) bool { return s == sub })
	}
}

// removeMembers ends all subscriptions of a session.
func (b *broker) removeMembers(s *session) {
	for _, m := range s.subscriptions {
		b.removeMember(m)
	}
}

// publish refuses an event of an application, if its publisher wants to know
// what became of it.
func (d *Dealer) publish(s *session, m *wamp.Publish) error {
	if err := s.accept(wamp.TypePublish, m.Request); err != nil {
		return err
	}
	if m.Acknowledge {
		d.refuse(s, wamp.TypePublish, m.Request,
			refusal{wamp.ErrNotAuthorized, "this router routes procedures; it publishes the events of its meta API and no others"})
	}
	return nil
}
