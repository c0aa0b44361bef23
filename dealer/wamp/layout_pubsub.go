package wamp

// The layouts of the messages of publish and subscribe (spec, "Publish and
// Subscribe").

func (c *codec) pubsubMessage(m Message) bool {
	switch m := m.(type) {
	case *Publish:
		c.publish(m)
	case *Published:
		c.published(m)
	case *Subscribe:
		c.subscribe(m)
	case *Subscribed:
		c.subscribed(m)
	case *Unsubscribe:
		c.unsubscribe(m)
	case *Unsubscribed:
		c.unsubscribed(m)
	case *Event:
		c.event(m)
	default:
		return false
	}
	return true
}

func (c *codec) publish(m *Publish) {
	c.open(TypePublish, 4+m.Payload.elements())
	c.id("Request", &m.Request)
	c.publishOptions(&m.Acknowledge)
	c.uri("Topic", &m.Topic)
	c.payload(&m.Payload)
	c.close()
}

func (c *codec) published(m *Published) {
	c.open(TypePublished, 3)
	c.id("Request", &m.Request)
	c.id("Publication", &m.Publication)
	c.close()
}

func (c *codec) subscribe(m *Subscribe) {
	c.open(TypeSubscribe, 4)
	c.id("Request", &m.Request)
	c.subscribeOptions(&m.Match)
	c.uri("Topic", &m.Topic)
	c.close()
}

func (c *codec) subscribed(m *Subscribed) {
	c.open(TypeSubscribed, 3)
	c.id("Request", &m.Request)
	c.id("Subscription", &m.Subscription)
	c.close()
}

func (c *codec) unsubscribe(m *Unsubscribe) {
	c.open(TypeUnsubscribe, 3)
	c.id("Request", &m.Request)
	c.id("Subscription", &m.Subscription)
	if c.reading && c.more() {
		c.readDict("Options")
	}
	c.close()
}

func (c *codec) unsubscribed(m *Unsubscribed) {
	var dropped Dict
	c.open(TypeUnsubscribed, revocable(m.Request))
	c.idOrZero("Request", &m.Request)
	c.revocation(m.Request, &dropped)
	c.close()
}

func (c *codec) event(m *Event) {
	c.open(TypeEvent, 4+m.Payload.elements())
	c.id("Subscription", &m.Subscription)
	c.id("Publication", &m.Publication)
	c.dict("Details", &m.Details)
	c.payload(&m.Payload)
	c.close()
}
