package wamp

// The layouts of the messages of a call (spec, "Remote Procedure Calls").

func (c *codec) call(m *Call) {
	c.open(TypeCall, 4+m.Payload.elements())
	c.id("Request", &m.Request)
	c.callOptions(&m.Options)
	c.uri("Procedure", &m.Procedure)
	c.payload(&m.Payload)
	c.close()
}

func (c *codec) cancel(m *Cancel) {
	c.open(TypeCancel, 3)
	c.id("Request", &m.Request)
	c.cancelOptions(&m.Mode)
	c.close()
}

func (c *codec) result(m *Result) {
	c.open(TypeResult, 3+m.Payload.elements())
	c.id("Request", &m.Request)
	c.resultDetails(&m.Details)
	c.payload(&m.Payload)
	c.close()
}

func (c *codec) invocation(m *Invocation) {
	c.open(TypeInvocation, 4+m.Payload.elements())
	c.id("Request", &m.Request)
	c.id("Registration", &m.Registration)
	c.invocationDetails(&m.Details, &m.Shard)
	c.payload(&m.Payload)
	c.close()
}

func (c *codec) interrupt(m *Interrupt) {
	c.open(TypeInterrupt, 3)
	c.id("Request", &m.Request)
	c.interruptOptions(m)
	c.close()
}

func (c *codec) yield(m *Yield) {
	c.open(TypeYield, 3+m.Payload.elements())
	c.id("Request", &m.Request)
	c.yieldOptions(&m.Options)
	c.payload(&m.Payload)
	c.close()
}

func (c *codec) error(m *Error) {
	c.open(TypeError, 5+m.Payload.elements())
	c.requestType(&m.RequestType)
	c.id("Request", &m.Request)
	c.dict("Details", &m.Details)
	c.uri("Error", &m.Error)
	c.payload(&m.Payload)
	c.close()
}

func (c *codec) requestType(kind *MessageType) {
	if !c.reading {
		c.out.uint(uint64(*kind))
		return
	}
	if c.need("REQUEST.Type") {
		*kind = c.messageType("REQUEST.Type")
	}
}
