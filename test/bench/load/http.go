package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// An Endpoint is where to POST to, and what: the body is a template, in which
// PAYLOAD stands for the text to be echoed.
type Endpoint struct {
	URL  string
	Body string
}

// Payload is the placeholder in the body of an Endpoint.
const Payload = "PAYLOAD"

// Posts describes a run of HTTP/1.1 requests, each connection with one under
// way.
type Posts struct {
	Size       int // bytes of the text to be echoed
	Conns      int
	Warm, Time time.Duration
}

// A poster makes requests on a connection.
type poster struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	payload []byte // what the first answer must have
	run     *phases
	result  Result
}

// Run makes requests and returns what came of them.
func (p Posts) Run(ctx context.Context, to Endpoint, meter Meter) (Result, error) {
	u, err := url.Parse(to.URL)
	if err != nil {
		return Result{}, err
	}
	run := &phases{}
	var all []*poster
	defer func() {
		for _, x := range all {
			_ = x.conn.Close()
		}
	}()
	text := strings.Repeat("abcdefghijklmnopqrstuvwxyz", p.Size/26+1)[:p.Size]
	request := encodeRequest(u, strings.ReplaceAll(to.Body, Payload, text))
	for range p.Conns {
		conn, err := wire.DialTCP(ctx, u.Host)
		if err != nil {
			return Result{}, err
		}
		all = append(all, &poster{conn: conn, in: bufio.NewReaderSize(conn, readBuffer), request: request, payload: []byte(text), run: run})
	}
	errs := make([]error, len(all))
	var work sync.WaitGroup
	for i, x := range all {
		work.Go(func() { errs[i] = x.serve() })
	}
	elapsed := run.pass(ctx, p.Warm, p.Time, meter)
	for _, x := range all {
		_ = x.conn.SetReadDeadline(time.Now().Add(grace))
	}
	work.Wait()
	sum := Result{Elapsed: elapsed}
	for _, x := range all {
		sum.merge(&x.result)
	}
	return sum, errors.Join(errs...)
}

func encodeRequest(u *url.URL, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		u.RequestURI(), u.Host, len(body), body)
}

// serve makes one request after the other.
func (x *poster) serve() error {
	for !x.run.ended.Load() {
		began := time.Now()
		status, err := x.exchange()
		if err != nil {
			x.result.Unanswered++
			return err
		}
		switch {
		case status != http.StatusOK:
			x.result.failed(http.StatusText(status))
		case x.run.measuring.Load():
			x.result.Done++
			x.result.Latency.Add(time.Since(began))
		}
	}
	return nil
}

// exchange makes a request and reads the answer to its end.
func (x *poster) exchange() (status int, err error) {
	if _, err := x.conn.Write(x.request); err != nil {
		return 0, err
	}
	if x.payload != nil {
		return x.firstAnswer()
	}
	status, length, err := x.readHead()
	if err != nil {
		return 0, err
	}
	if length == chunked {
		return status, x.discardChunks()
	}
	_, err = x.in.Discard(length)
	return status, err
}

// discardChunks reads a chunked body without trailers.
func (x *poster) discardChunks() error {
	for {
		line, err := x.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if _, err := x.in.Discard(int(size) + len("\r\n")); err != nil || size == 0 {
			return err
		}
	}
}

// firstAnswer reads an answer and looks whether it has what was sent.
func (x *poster) firstAnswer() (int, error) {
	answer, err := http.ReadResponse(x.in, nil)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close() // the connection goes on
	if err == nil && (answer.StatusCode != http.StatusOK || !bytes.Contains(body, x.payload)) {
		err = fmt.Errorf("the answer is not what was sent: %s, %.100q", answer.Status, body)
	}
	x.payload = nil
	return answer.StatusCode, err
}

// chunked stands for the length of a body that comes in chunks.
const chunked = -1

// readHead reads an answer up to its body.
func (x *poster) readHead() (status, length int, err error) {
	line, err := x.in.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	status, ok := decimal(bytes.TrimPrefix(line, []byte("HTTP/1.1 ")))
	if !ok {
		return 0, 0, fmt.Errorf("not a status line: %.100q", line)
	}
	for {
		line, err := x.in.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(line) <= len("\r\n"):
			return status, length, nil
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, _ = decimal(bytes.TrimSpace(value))
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = chunked
		}
	}
}

// decimal reads the digits at the start of b.
func decimal(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			break
		}
		n, ok = n*10+int(c-'0'), true
	}
	return n, ok
}
