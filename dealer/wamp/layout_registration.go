package wamp

// The layouts of the messages about registrations (spec, "Registrations").

func (c *codec) registrationMessage(m Message) bool {
	switch m := m.(type) {
	case *Register:
		c.register(m)
	case *Registered:
		c.registered(m)
	case *Unregister:
		c.unregister(m)
	case *Unregistered:
		c.unregistered(m)
	default:
		return false
	}
	return true
}

func (c *codec) register(m *Register) {
	c.open(TypeRegister, 4)
	c.id("Request", &m.Request)
	c.registerOptions(&m.Options)
	c.uri("Procedure", &m.Procedure)
	c.close()
}

func (c *codec) registered(m *Registered) {
	c.open(TypeRegistered, 3)
	c.id("Request", &m.Request)
	c.id("Registration", &m.Registration)
	c.close()
}

// unregister accepts the options dict of autobahn-python and drops it.
func (c *codec) unregister(m *Unregister) {
	c.open(TypeUnregister, 3)
	c.id("Request", &m.Request)
	c.id("Registration", &m.Registration)
	if c.reading && c.more() {
		c.readDict("Options")
	}
	c.close()
}

func (c *codec) unregistered(m *Unregistered) {
	c.open(TypeUnregistered, revocable(m.Request))
	c.idOrZero("Request", &m.Request)
	c.revocation(m.Request, &m.Details)
	c.close()
}

// revocable is the number of elements of an UNREGISTERED or UNSUBSCRIBED: a
// revocation, which answers no request, has details.
func revocable(request ID) int {
	if request == 0 {
		return 3
	}
	return 2
}

// revocation visits the details that a message with Request 0 has. They are
// accepted and dropped in another.
func (c *codec) revocation(request ID, details *Dict) {
	if request == 0 {
		c.dict("Details", details)
		return
	}
	if c.reading && c.more() {
		c.readDict("Details")
	}
}
