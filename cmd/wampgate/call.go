package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The media types that call asks for and sends.
const (
	typeEnvelope = "application/vnd.wamp.call+json"
	typeJSON     = "application/json"
	typeNDJSON   = "application/x-ndjson"
)

// callGrace is how much longer than the call's timeout the client waits for
// the gateway's own word on it.
const callGrace = 5 * time.Second

type callCommand struct {
	login
	URL     string        `group:"Gateway" name:"url" default:"${url}" help:"Where the gateway is."`
	Stream  bool          `help:"Print progressive results as they come, one JSON value a line."`
	Duplex  bool          `help:"Send each line of the standard input as an item, JSON or else text, and print results as they come."`
	Timeout time.Duration `short:"t" placeholder:"TIME" help:"Time the call may take, such as 500ms; the gateway's default unless given."`

	Procedure string   `arg:"" name:"uri" help:"URI of the procedure."`
	Arguments []string `arg:"" optional:"" name:"argument" help:"JSON or else text; NAME=TEXT and NAME:=JSON for keyword arguments."`
}

// Run makes the call and prints its answer: the result as JSON on standard
// output, an error in words on standard error.
func (c *callCommand) Run(ctx context.Context, p *process) error {
	body, err := envelope(c.Arguments)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout+callGrace)
		defer cancel()
	}
	req, err := c.request(ctx, body)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.authorize(p, req); err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Duplex {
		items := c.converse(p.Stdin, req, body)
		defer items.Close() //nolint:errcheck // it ends who writes
	}
	resp, err := c.do(ctx, req, c.URL)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is lost with it
	if err := c.print(p.Stdout, resp); err != nil {
		return brokenOff(ctx, err)
	}
	return nil
}

// newClient returns an HTTP client for one request, which leaves nothing behind.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
}

// gatewayURL checks --url and returns it without a slash at its end.
func gatewayURL(text string) (string, error) {
	base, err := url.Parse(text)
	if err != nil || base.Host == "" {
		return "", fmt.Errorf("--url: %q is not the URL of a gateway, such as http://127.0.0.1:8080", text)
	}
	return strings.TrimSuffix(base.String(), "/"), nil
}

func (c *callCommand) request(ctx context.Context, body []byte) (*http.Request, error) {
	base, err := gatewayURL(c.URL)
	if err != nil {
		return nil, err
	}
	target := base + "/call/" + url.PathEscape(c.Procedure)
	if c.Timeout > 0 {
		target += "?timeout=" + strconv.FormatInt(max(1, c.Timeout.Milliseconds()), 10)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", typeEnvelope)
	req.Header.Set("Accept", typeJSON)
	if c.Stream {
		req.Header.Set("Accept", typeNDJSON)
	}
	return req, nil
}

// print writes a result to out, or returns the call's error.
func (c *callCommand) print(out io.Writer, resp *http.Response) error {
	if resp.StatusCode >= http.StatusMultipleChoices {
		return c.failure(resp)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), typeNDJSON) {
		return c.printStream(out, resp.Body)
	}
	line := &lastByte{Writer: out, last: '\n'}
	if _, err := io.Copy(line, resp.Body); err != nil {
		return err
	}
	if line.last != '\n' {
		_, err := fmt.Fprintln(out)
		return err
	}
	return nil
}

// A lastByte remembers the last byte that went through it.
type lastByte struct {
	io.Writer
	last byte
}

// Write passes p on.
func (w *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		w.last = p[len(p)-1]
	}
	return w.Writer.Write(p)
}

// An event is one line of a streamed answer.
type event struct {
	Event  string          `json:"event"`
	Args   json.RawMessage `json:"args"`
	Kwargs json.RawMessage `json:"kwargs"`
	problem
}

func (c *callCommand) printStream(out io.Writer, body io.Reader) error {
	lines := json.NewDecoder(body)
	for {
		var e event
		if err := lines.Decode(&e); err != nil {
			return fmt.Errorf("the answer broke off: %w", noEOF(err))
		}
		switch e.Event {
		case "error":
			return e.failure(c.Procedure)
		case "progress", "result":
			if err := printValue(out, e.Args, e.Kwargs); err != nil {
				return err
			}
		}
		if e.Event == "result" {
			return nil
		}
	}
}

// noEOF returns err, or io.ErrUnexpectedEOF in place of io.EOF.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// printValue writes a result as one line, in the shape that an answer without
// --stream has: the value of one argument, the object of keyword arguments
// alone, or both. An empty result has no line.
func printValue(out io.Writer, args, kwargs json.RawMessage) error {
	var list []json.RawMessage
	if len(args) > 0 {
		if err := json.Unmarshal(args, &list); err != nil {
			return err
		}
	}
	var value any
	switch {
	case len(list) == 0 && len(kwargs) == 0:
		return nil
	case len(list) == 1 && len(kwargs) == 0:
		value = list[0]
	case len(list) == 0:
		value = kwargs
	default:
		value = struct {
			Args   json.RawMessage `json:"args"`
			Kwargs json.RawMessage `json:"kwargs,omitempty"`
		}{args, kwargs}
	}
	line, err := encode(value)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}

// A problem is what a gateway says of a failed call (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Error  string `json:"error"`
	Source string `json:"source"`
	Retry  string `json:"retry"`
	Errors []struct {
		Pointer   string `json:"pointer"`
		Parameter string `json:"parameter"`
		Detail    string `json:"detail"`
	} `json:"errors"`
}

// maxProblem bounds what is read of an error's description.
const maxProblem = 1 << 20

func (c *callCommand) failure(resp *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return err
	}
	var p problem
	if json.Unmarshal(data, &p) != nil || p.Error == "" {
		p = problem{Title: http.StatusText(resp.StatusCode), Source: "gateway", Retry: "unknown"}
	}
	p.Status = resp.StatusCode
	return p.failure(c.Procedure)
}

// failure puts a problem in words and finds its exit code.
func (p problem) failure(procedure string) error {
	text := fmt.Sprintf("%s: %s (%d, %s, retry %s)", procedure, p.name(), p.Status, p.Source, p.Retry)
	if p.Detail != "" {
		text += "\n  " + p.Detail
	}
	for _, e := range p.Errors {
		text += "\n  " + strings.TrimSpace(e.Pointer+e.Parameter+" "+e.Detail)
	}
	return &exitError{p.exitCode(), errors.New(text)}
}

// name returns what happened: the last component of one of WAMP's own error
// URIs in words, and URIs of applications as they are.
func (p problem) name() string {
	if name, ok := strings.CutPrefix(p.Error, "wamp.error."); ok {
		return strings.ReplaceAll(name, "_", " ")
	}
	if p.Error != "" {
		return p.Error
	}
	return strings.ToLower(p.Title)
}

func (p problem) exitCode() int {
	switch {
	case p.Source == "callee":
		return exitFailed
	case p.Status == http.StatusGatewayTimeout:
		return exitTimeout
	case p.Status < http.StatusInternalServerError:
		return exitRefused
	}
	return exitUnavailable
}

// noAnswer says why there was no answer at all.
func noAnswer(ctx context.Context, gateway string, err error) error {
	if err := stopped(ctx); err != nil {
		return err
	}
	var reason *url.Error
	if errors.As(err, &reason) {
		err = reason.Err
	}
	return &exitError{exitUnavailable, fmt.Errorf("no answer from %s: %w\n  'wampgate dev' starts a gateway", gateway, err)}
}

// brokenOff says why an answer ended early, unless it says so itself.
func brokenOff(ctx context.Context, err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	if err := stopped(ctx); err != nil {
		return err
	}
	return &exitError{exitUnavailable, err}
}

// stopped returns the error of a call that the user or the clock stopped.
func stopped(ctx context.Context) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &exitError{exitTimeout, errors.New("timeout: no word from the gateway")}
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("canceled")}
	}
	return nil
}

// envelope makes the body of a call from the words of a command line.
func envelope(words []string) ([]byte, error) {
	keyword := regexp.MustCompile(`(?s)^([A-Za-z_][A-Za-z0-9_.-]*)(:?=)(.*)$`)
	var call struct {
		Args   []json.RawMessage          `json:"args,omitempty"`
		Kwargs map[string]json.RawMessage `json:"kwargs,omitempty"`
	}
	for _, word := range words {
		m := keyword.FindStringSubmatch(word)
		if m == nil {
			call.Args = append(call.Args, jsonOrText(word))
			continue
		}
		if call.Kwargs == nil {
			call.Kwargs = map[string]json.RawMessage{}
		}
		value := json.RawMessage(m[3])
		if m[2] == "=" {
			value = text(m[3])
		} else if !json.Valid(value) {
			return nil, fmt.Errorf("%s: %s is not JSON; write %s=%s for text", m[1], m[3], m[1], m[3])
		}
		call.Kwargs[m[1]] = value
	}
	return encode(call)
}

// encode encodes v as JSON, and leaves <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func jsonOrText(word string) json.RawMessage {
	if json.Valid([]byte(word)) {
		return json.RawMessage(word)
	}
	return text(word)
}

// text encodes a string, which cannot fail.
func text(s string) json.RawMessage {
	encoded, _ := encode(s)
	return encoded
}

// protectNegatives keeps kong from taking the negative numbers among the
// arguments of call for flags: a blank in front changes no JSON.
func protectNegatives(args []string) []string {
	if len(args) == 0 || args[0] != "call" {
		return args
	}
	protected := make([]string, len(args))
	for i, a := range args {
		if len(a) > 1 && a[0] == '-' && a[1] >= '0' && a[1] <= '9' {
			a = " " + a
		}
		protected[i] = a
	}
	return protected
}
