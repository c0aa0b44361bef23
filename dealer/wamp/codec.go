package wamp

import "math"

// A codec reads or writes the elements of one message. The layout of a message
// is written down once, as a method that visits its fields in wire order: when
// reading, each visit fills the field, when writing, it appends it.
type codec struct {
	reading bool

	in       scanner   // reading
	elements container // reading: the place in the message's list
	uris     uriCache  // reading

	out writer // writing
}

// Append appends message m in encoding s to dst. A payload that already is in
// s is spliced, another is transcoded; what the encoding cannot express makes
// an error that wraps [ErrUntranscodable] or, for a payload nobody checked,
// [ErrMalformed]. dst is then returned as it came. Empty args and kwargs are
// left out.
//
// Append writes what m holds: whether IDs and URIs are valid is its maker's
// business.
func (s Serializer) Append(dst []byte, m Message) ([]byte, error) {
	c := codec{out: writer{serializer: s, buf: dst, start: len(dst)}}
	c.message(m)
	if c.out.err != nil {
		return dst, c.out.err
	}
	return c.out.buf, nil
}

// message visits m.
func (c *codec) message(m Message) {
	switch m := m.(type) {
	case *Call:
		c.call(m)
	case *Invocation:
		c.invocation(m)
	case *Yield:
		c.yield(m)
	case *Result:
		c.result(m)
	case *Error:
		c.error(m)
	case *Cancel:
		c.cancel(m)
	case *Interrupt:
		c.interrupt(m)
	default:
		c.rareMessage(m)
	}
}

func (c *codec) rareMessage(m Message) {
	if !c.sessionMessage(m) && !c.registrationMessage(m) && !c.pubsubMessage(m) {
		c.out.fail("%T is no WAMP message", m)
	}
}

// open begins a message of n elements.
func (c *codec) open(kind MessageType, n int) {
	if c.reading {
		return // the decoder had to read the type to find the layout
	}
	c.out.openList(n)
	c.out.uint(uint64(kind))
}

// close ends a message. Elements that are left make it malformed.
func (c *codec) close() {
	if !c.reading {
		c.out.closeList()
		return
	}
	if c.in.err == nil && c.in.next(&c.elements) {
		c.in.fail(c.in.pos, "too many elements")
	}
}

// more reports whether the message being read has another element, and moves
// before it.
func (c *codec) more() bool { return c.in.next(&c.elements) }

// need moves before the next element, which must be there.
func (c *codec) need(what string) bool {
	if c.more() {
		return true
	}
	c.in.fail(c.in.pos, "too few elements, %s is missing", what)
	return false
}

// id visits an ID between 1 and MaxID.
func (c *codec) id(what string, id *ID) {
	if c.idOrZero(what, id); c.reading && c.in.err == nil && *id == 0 {
		c.in.fail(c.in.pos, "%s must not be 0", what)
	}
}

// idOrZero visits an ID where 0 has a meaning.
func (c *codec) idOrZero(what string, id *ID) {
	if !c.reading {
		c.out.uint(uint64(*id))
		return
	}
	if c.need(what) {
		*id = ID(c.integer(what, uint64(MaxID)))
	}
}

// integer reads an integer from 0 to most.
func (c *codec) integer(what string, most uint64) uint64 {
	offset := c.in.pos
	v, ok := c.in.smallUint()
	if !ok {
		var t token
		c.in.scan(&t)
		offset = t.offset
		v, ok = t.uint()
	}
	if c.in.err == nil && (!ok || v > most) {
		c.in.fail(offset, "%s must be an integer from 0 to %d", what, most)
		return 0
	}
	return v
}

// messageType reads a message type.
func (c *codec) messageType(what string) MessageType {
	return MessageType(c.integer(what, math.MaxUint16)) //nolint:gosec // at most MaxUint16
}

// uri visits a URI. Whether it is valid is not asked: that has answers of its
// own.
func (c *codec) uri(what string, u *URI) {
	if !c.reading {
		c.out.string(string(*u))
		return
	}
	if c.need(what) {
		*u = c.uris.intern(c.text(what))
	}
}

// string visits a string.
func (c *codec) string(what string, s *string) {
	if !c.reading {
		c.out.string(*s)
		return
	}
	if c.need(what) {
		*s = string(c.text(what))
	}
}

// text reads a string. The result is valid until the next one.
func (c *codec) text(what string) []byte {
	var t token
	c.in.scan(&t)
	if c.in.err != nil {
		return nil
	}
	if !c.in.isString(&t) {
		c.in.fail(t.offset, "%s must be a string, not %v", what, t.kind)
		return nil
	}
	return c.in.plain(&t)
}

// dict visits a dict of any content.
func (c *codec) dict(what string, d *Dict) {
	if !c.reading {
		c.out.dict(*d)
		return
	}
	if c.need(what) {
		*d = c.readDict(what)
	}
}

func (c *codec) readDict(what string) Dict {
	if c.in.emptyMap() {
		return nil
	}
	var t token
	c.in.scan(&t)
	if c.in.err != nil {
		return nil
	}
	if t.kind != KindMap {
		c.in.fail(t.offset, "%s must be a dict, not %v", what, t.kind)
		return nil
	}
	return c.in.readDict(&t, 1+int(t.tags))
}

// elements is how many elements p takes in a message.
func (p *Payload) elements() int {
	switch {
	case !p.Serializer.empty(p.Kwargs):
		return 2
	case !p.Serializer.empty(p.Args):
		return 1
	}
	return 0
}

// payload visits args and kwargs, the last elements of a message.
func (c *codec) payload(p *Payload) {
	if !c.reading {
		c.writePayload(p)
		return
	}
	if c.more() {
		p.Args = c.args()
	}
	if c.more() { // not if there were no args: more stays false
		p.Kwargs = c.kwargs()
	}
	if p.Args != nil || p.Kwargs != nil {
		p.Serializer = c.in.serializer
	}
}

// args reads the arguments: a list, or in autobahn's "payload transparency"
// form a string or byte string. Empty ones are as good as absent, and null is
// what some clients send for absent.
func (c *codec) args() []byte {
	b := c.in.skip(0)
	switch kind := c.in.serializer.head(b); {
	case c.in.err != nil || kind == KindNull:
		return nil
	case kind != KindList && kind != KindString && kind != KindBytes:
		c.in.fail(c.in.pos-len(b), "Arguments must be a list, not %v", kind)
		return nil
	}
	return c.in.serializer.unlessEmpty(b)
}

// kwargs reads the keyword arguments.
func (c *codec) kwargs() []byte {
	b := c.in.skip(0)
	switch kind := c.in.serializer.head(b); {
	case c.in.err != nil || kind == KindNull:
		return nil
	case kind != KindMap:
		c.in.fail(c.in.pos-len(b), "ArgumentsKw must be a dict, not %v", kind)
		return nil
	}
	return c.in.serializer.unlessEmpty(b)
}

// unlessEmpty returns b, or nil if it is an empty list or map.
func (s Serializer) unlessEmpty(b []byte) []byte {
	if s.empty(b) {
		return nil
	}
	return b
}

func (c *codec) writePayload(p *Payload) {
	n := p.elements()
	if n == 0 {
		return
	}
	if p.Serializer.empty(p.Args) {
		c.out.openList(0)
		c.out.closeList()
	} else {
		c.out.value(p.Args, p.Serializer)
	}
	if n == 2 {
		c.out.value(p.Kwargs, p.Serializer)
	}
}
