package main

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
)

// converse makes req a progressive call whose items are the lines of in, which
// the callee answers meanwhile: what curl can only do with some of its versions.
// The arguments of the command line, if there are any, are the first item. The
// call ends when both sides have; closing what converse returns then ends who
// sends the items.
func (c *callCommand) converse(in io.Reader, req *http.Request, first []byte) io.Closer {
	body, items := io.Pipe()
	query := req.URL.Query()
	query.Set("in", "ndjson")
	query.Set("body", "call")
	query.Set("stream", "ndjson")
	req.URL.RawQuery = query.Encode()
	req.Body, req.ContentLength, req.GetBody = body, -1, nil
	req.Header.Set("Content-Type", typeNDJSON)
	req.Header.Set("Accept", typeNDJSON)
	if len(c.Arguments) == 0 {
		first = nil
	}
	// Who waits for a line cannot be woken: it ends with the next one, or with the
	// process.
	go func() { _ = items.CloseWithError(sendLines(items, in, first)) }()
	return body
}

// sendLines writes an item for each line of in, after the first one if there is
// one. It returns nil when in has ended, which ends the call in order.
func sendLines(out io.Writer, in io.Reader, first []byte) error {
	if first != nil {
		if _, err := out.Write(append(first, '\n')); err != nil {
			return err
		}
	}
	for lines := bufio.NewReader(in); ; {
		line, err := lines.ReadString('\n')
		if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
			return noError(err)
		}
		item := append(append([]byte(`{"args":[`), jsonOrText(strings.TrimRight(line, "\r\n"))...), "]}\n"...)
		if _, err := out.Write(item); err != nil {
			return err
		}
	}
}

// noError returns nil for the end of an input.
func noError(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
