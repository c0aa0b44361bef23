package wamp

// The layouts of the messages that open and end sessions (spec, "Sessions").

func (c *codec) sessionMessage(m Message) bool {
	switch m := m.(type) {
	case *Hello:
		c.hello(m)
	case *Welcome:
		c.welcome(m)
	case *Abort:
		c.abort(m)
	case *Challenge:
		c.challenge(m)
	case *Authenticate:
		c.authenticate(m)
	case *Goodbye:
		c.goodbye(m)
	default:
		return false
	}
	return true
}

func (c *codec) hello(m *Hello) {
	c.open(TypeHello, 3)
	c.uri("Realm", &m.Realm)
	c.dict("Details", &m.Details)
	c.close()
}

func (c *codec) welcome(m *Welcome) {
	c.open(TypeWelcome, 3)
	c.id("Session", &m.Session)
	c.dict("Details", &m.Details)
	c.close()
}

func (c *codec) abort(m *Abort) {
	var dropped Payload
	c.open(TypeAbort, 3)
	c.dict("Details", &m.Details)
	c.uri("Reason", &m.Reason)
	if c.reading {
		c.payload(&dropped)
	}
	c.close()
}

func (c *codec) challenge(m *Challenge) {
	c.open(TypeChallenge, 3)
	c.string("AuthMethod", &m.AuthMethod)
	c.dict("Extra", &m.Extra)
	c.close()
}

func (c *codec) authenticate(m *Authenticate) {
	c.open(TypeAuthenticate, 3)
	c.string("Signature", &m.Signature)
	c.dict("Extra", &m.Extra)
	c.close()
}

func (c *codec) goodbye(m *Goodbye) {
	c.open(TypeGoodbye, 3)
	c.dict("Details", &m.Details)
	c.uri("Reason", &m.Reason)
	c.close()
}
