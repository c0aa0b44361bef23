package transport

import (
	"net"
	"sync"
	"sync/atomic"
)

// An input holds what was read from a connection at a time.
type input [16 << 10]byte

// An inputPool is shared by the connections of a Handler.
type inputPool struct{ pool sync.Pool }

func (p *inputPool) get() *input {
	if in, ok := p.pool.Get().(*input); ok {
		return in
	}
	return new(input)
}

func (p *inputPool) put(in *input) { p.pool.Put(in) }

// A socket is a network connection with its input. When that has run dry,
// everything received so far has been handled.
//
// Input is handed out where it lies, and valid until there is a wait for more.
type socket struct {
	net.Conn

	dry    func() // runs before each wait for input
	inputs *inputPool
	heard  atomic.Bool // something was read
	pinged atomic.Bool // a RawSocket PING was read

	// Owned by the reader.
	lazy     *lazyReader // nil where that cannot be
	in       *input      // nil while there is no input
	from, to int         // in[from:to] has not been taken
	received int         // bytes, since they were counted last
}

func newSocket(conn net.Conn, dry func(), inputs *inputPool) *socket {
	return &socket{Conn: conn, dry: dry, inputs: inputs, lazy: newLazyReader(conn, inputs)}
}

// rest returns the input that there is.
func (s *socket) rest() []byte {
	if s.in == nil {
		return nil
	}
	return s.in[s.from:s.to]
}

// take takes n bytes of rest.
func (s *socket) take(n int) { s.from += n }

// header waits for the header of a frame, and leaves it where it is.
func (s *socket) header() (header, error) {
	for {
		h, err := parseHeader(s.rest())
		if err != nil || h.length > 0 {
			return h, err
		}
		if err := s.more(); err != nil {
			return header{}, err
		}
	}
}

// prefix waits for the prefix of a RawSocket frame, and leaves it where it is.
func (s *socket) prefix() (header, error) {
	for {
		h, err := parsePrefix(s.rest())
		if err != nil || h.length > 0 {
			return h, err
		}
		if err := s.more(); err != nil {
			return header{}, err
		}
	}
}

// payload waits for the rest of the frame that begins with h, and takes it. It
// must have room in an [input].
func (s *socket) payload(h header) ([]byte, error) {
	for s.to-s.from < h.length+h.size {
		if err := s.more(); err != nil {
			return nil, err
		}
	}
	start, end := s.from+h.length, s.from+h.length+h.size
	payload := s.in[start:end:end]
	s.from = end
	unmask(payload, h.key)
	return payload, nil
}

// read takes input and copies it to p, or reads to p directly if there is none
// and p is large.
func (s *socket) read(p []byte) (int, error) {
	if s.from == s.to {
		if len(p) >= len(input{}) {
			s.release()
			_, n, err := s.wait(p)
			return n, err
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest())
	s.take(n)
	return n, nil
}

// more waits for input and appends it to rest, which must not fill the input.
func (s *socket) more() error {
	if s.from == s.to {
		s.release()
		return s.first()
	}
	if s.from > 0 {
		s.from, s.to = 0, copy(s.in[:], s.rest())
	}
	_, n, err := s.wait(s.in[s.to:])
	s.to += n
	return err
}

// first waits for input when there is none.
func (s *socket) first() error {
	if s.lazy == nil {
		s.in = s.inputs.get()
		n, err := 0, error(nil)
		if _, n, err = s.wait(s.in[:]); err != nil {
			s.release()
		}
		s.to = n
		return err
	}
	in, n, err := s.wait(nil)
	s.in, s.to = in, n
	return err
}

// wait flushes what came of the input so far, and reads into p when there is
// something to read. If p is nil it comes in an [input]. There is something,
// or else an error.
func (s *socket) wait(p []byte) (in *input, n int, err error) {
	s.dry()
	if s.lazy != nil {
		in, n, err = s.lazy.read(p)
	} else {
		n, err = s.Read(p)
	}
	if n > 0 {
		s.heard.Store(true)
		s.received += n
		return in, n, nil // an error will come again
	}
	return nil, 0, err
}

// unread puts early input in front of what is read next. There must be none.
func (s *socket) unread(early []byte) {
	if len(early) > 0 {
		s.in = s.inputs.get()
		s.to = copy(s.in[:], early)
	}
}

// release drops the input.
func (s *socket) release() {
	if s.in != nil {
		s.inputs.put(s.in)
	}
	s.in, s.from, s.to = nil, 0, 0
}

// linger tells the peer that nothing follows, and drops what it sends until it
// ends its side too: input left unread would reset the connection and could
// destroy what was sent last on its way.
func (s *socket) linger() {
	c, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok || c.CloseWrite() != nil {
		return
	}
	for err := error(nil); err == nil; err = s.more() {
		s.from = s.to
	}
}
