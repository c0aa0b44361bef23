package wamp

import "fmt"

// A Decoder turns the frames of one connection into messages. It belongs to
// the goroutine that reads from the connection.
//
// It reuses one struct for each message type that occurs while a session
// works, and remembers procedure and error URIs (at most 256, of at most 128
// bytes), so that relaying a call allocates nothing.
type Decoder struct {
	codec codec
	reuse reusable
}

// reusable holds the structs that are decoded into again and again.
type reusable struct {
	call       Call
	cancel     Cancel
	result     Result
	invocation Invocation
	interrupt  Interrupt
	yield      Yield
	error      Error
}

// NewDecoder returns a Decoder for frames in encoding s.
func NewDecoder(s Serializer) *Decoder {
	d := &Decoder{}
	d.codec.reading = true
	d.codec.in.serializer = s
	return d
}

// Decode returns the message that frame holds. It accepts every message type,
// whoever sends it. The message and what it points to are valid until the next
// call; its payload aliases frame. The payload has been checked: it is
// well-formed, its strings are UTF-8 and it nests at most [MaxDepth] deep.
//
// An error wraps [ErrMalformed] and, where a place can be named, a
// [*SyntaxError].
func (d *Decoder) Decode(frame []byte) (Message, error) {
	c := &d.codec
	c.in.reset(frame)
	kind, ok := c.readType()
	if !ok {
		return nil, c.in.err
	}
	m := d.blank(kind)
	if m == nil {
		return nil, malformed("%v is not known", kind)
	}
	c.message(m)
	c.in.end()
	if c.in.err != nil {
		return nil, fmt.Errorf("%v: %w", kind, c.in.err)
	}
	return m, nil
}

// readType opens the message's list and reads its first element.
func (c *codec) readType() (MessageType, bool) {
	var t token
	c.in.scan(&t)
	if c.in.err == nil && t.kind != KindList {
		c.in.fail(t.offset, "a message must be a list, not %v", t.kind)
	}
	c.elements = t.container()
	if !c.in.next(&c.elements) {
		c.in.fail(t.offset, "a message must not be empty")
		return 0, false
	}
	kind := c.messageType("the message type")
	return kind, c.in.err == nil
}

// blank returns an empty message of the type; nil for an unknown one.
func (d *Decoder) blank(kind MessageType) Message {
	switch kind {
	case TypeCall:
		d.reuse.call = Call{}
		return &d.reuse.call
	case TypeCancel:
		d.reuse.cancel = Cancel{}
		return &d.reuse.cancel
	case TypeResult:
		d.reuse.result = Result{}
		return &d.reuse.result
	case TypeInvocation:
		d.reuse.invocation = Invocation{}
		return &d.reuse.invocation
	case TypeInterrupt:
		d.reuse.interrupt = Interrupt{}
		return &d.reuse.interrupt
	case TypeYield:
		d.reuse.yield = Yield{}
		return &d.reuse.yield
	case TypeError:
		d.reuse.error = Error{}
		return &d.reuse.error
	}
	if m := newSessionMessage(kind); m != nil {
		return m
	}
	if m := newRegistrationMessage(kind); m != nil {
		return m
	}
	return newPubSubMessage(kind)
}

func newSessionMessage(kind MessageType) Message {
	switch kind {
	case TypeHello:
		return &Hello{}
	case TypeWelcome:
		return &Welcome{}
	case TypeAbort:
		return &Abort{}
	case TypeChallenge:
		return &Challenge{}
	case TypeAuthenticate:
		return &Authenticate{}
	case TypeGoodbye:
		return &Goodbye{}
	}
	return nil
}

func newRegistrationMessage(kind MessageType) Message {
	switch kind {
	case TypeRegister:
		return &Register{}
	case TypeRegistered:
		return &Registered{}
	case TypeUnregister:
		return &Unregister{}
	case TypeUnregistered:
		return &Unregistered{}
	}
	return nil
}

func newPubSubMessage(kind MessageType) Message {
	switch kind {
	case TypePublish:
		return &Publish{}
	case TypePublished:
		return &Published{}
	case TypeSubscribe:
		return &Subscribe{}
	case TypeSubscribed:
		return &Subscribed{}
	case TypeUnsubscribe:
		return &Unsubscribe{}
	case TypeUnsubscribed:
		return &Unsubscribed{}
	case TypeEvent:
		return &Event{}
	}
	return nil
}
