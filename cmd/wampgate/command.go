package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The bounds of a command that serves a call.
const (
	killDelay = 2 * time.Second // between SIGTERM and SIGKILL
	tailBytes = 4 << 10         // of standard error that go into an ERROR
)

// A command serves invocations, each with a process of its own.
type command struct {
	words     []string
	lines     bool   // each line of output is a progressive result
	output    string // auto, json or text
	maxOutput int    // bytes
	stderr    io.Writer

	slots chan struct{} // one element for each running process
}

// serve is a handler.
func (c *command) serve(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return wamp.Payload{}, context.Cause(ctx)
	}
	// The process and what feeds it end together, whichever ends first.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stderr := &tail{limit: tailBytes}
	cmd := exec.CommandContext(ctx, c.words[0], c.words[1:]...) //nolint:gosec // the operator names the command
	cmd.Stderr = io.MultiWriter(stderr, c.stderr)
	cmd.WaitDelay = killDelay
	inGroup(cmd)
	results, err := c.run(ctx, cancel, cmd, inv)
	if err := context.Cause(ctx); err != nil {
		return wamp.Payload{}, err
	}
	if err != nil {
		return wamp.Payload{}, failure(err, stderr)
	}
	return listPayload(results), nil
}

// run starts the process, feeds it, and reads what it prints. It returns, when
// the process has ended, the encoded arguments of the result.
func (c *command) run(ctx context.Context, cancel context.CancelCauseFunc, cmd *exec.Cmd, inv *invocation) ([][]byte, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	feeding, stopFeeding := context.WithCancel(ctx)
	var feeder sync.WaitGroup
	feeder.Go(func() { feed(feeding, inv, stdin) })
	results, err := c.read(inv, stdout)
	if err != nil {
		cancel(err)
	}
	err = errors.Join(err, cmd.Wait())
	if ctx.Err() != nil {
		killGroup(cmd) // children that outlived their parent
	}
	stopFeeding()
	feeder.Wait()
	return results, err
}

// feed writes the chunks of a call to a process, a line of JSON each. A
// process that does not read them is none of its business.
func feed(ctx context.Context, inv *invocation, stdin io.WriteCloser) {
	defer stdin.Close() //nolint:errcheck // the process sees the end in any case
	for first := true; ; first = false {
		payload, more, err := inv.next(ctx)
		if err != nil {
			return
		}
		if !first && !more && payload.Empty() {
			return // only says that the input ends
		}
		if _, err := stdin.Write(callLine(payload)); err != nil || !more {
			return
		}
	}
}

// callLine returns {"args":[…],"kwargs":{…}} and a line feed.
func callLine(p wamp.Payload) []byte {
	args, kwargs := p.Args, p.Kwargs
	if len(args) == 0 {
		args = []byte("[]")
	}
	if len(kwargs) == 0 {
		kwargs = []byte("{}")
	}
	return fmt.Appendf(nil, "{\"args\":%s,\"kwargs\":%s}\n", args, kwargs)
}

var errTooMuchOutput = newCallError(wamp.ErrPayloadSizeExceeded, "the command prints too much")

// read returns what the process prints as encoded arguments. Lines go out at
// once if the caller takes progressive results.
func (c *command) read(inv *invocation, stdout io.Reader) ([][]byte, error) {
	if c.lines {
		return c.readLines(inv, stdout)
	}
	all, err := io.ReadAll(io.LimitReader(stdout, int64(c.maxOutput)+1))
	if err != nil {
		return nil, err
	}
	if len(all) > c.maxOutput {
		return nil, errTooMuchOutput
	}
	if len(bytes.TrimSpace(all)) == 0 {
		return nil, nil
	}
	value, err := c.value(bytes.TrimSuffix(all, []byte("\n")))
	return [][]byte{value}, err
}

func (c *command) readLines(inv *invocation, stdout io.Reader) (results [][]byte, err error) {
	lines, size := bufio.NewScanner(stdout), 0
	lines.Buffer(nil, c.maxOutput)
	for lines.Scan() {
		value, err := c.value(lines.Bytes())
		if err != nil {
			return nil, err
		}
		if inv.progress {
			if err := inv.yield(listPayload([][]byte{value})); err != nil {
				return nil, err
			}
			continue
		}
		if size += len(value); size > c.maxOutput {
			return nil, errTooMuchOutput
		}
		results = append(results, value)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, errTooMuchOutput
	}
	return results, lines.Err()
}

// value encodes what was printed as one argument.
func (c *command) value(printed []byte) ([]byte, error) {
	if c.output != "text" && json.Valid(printed) {
		var b bytes.Buffer
		err := json.Compact(&b, printed)
		return b.Bytes(), err
	}
	if c.output == "json" {
		return nil, newCallError(wamp.ErrRuntimeError, "the command printed something that is not JSON")
	}
	return text(strings.ToValidUTF8(string(printed), string(utf8.RuneError))), nil
}

// listPayload returns a payload with these encoded arguments.
func listPayload(values [][]byte) wamp.Payload {
	if len(values) == 0 {
		return wamp.Payload{}
	}
	return wamp.Payload{Serializer: wamp.JSON, Args: wamp.JSON.AppendList(nil, values...)}
}

// failure makes an ERROR of the end of a process: its argument is the end of
// what the process complained, "exit_code" its exit code.
func failure(err error, stderr *tail) error {
	var known *callError
	if errors.As(err, &known) {
		return known
	}
	said, code := stderr.String(), -1
	if said == "" {
		said = err.Error()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	payload, err := wamp.NewPayload(wamp.JSON, []any{said}, wamp.Dict{"exit_code": int64(code)})
	if err != nil {
		return err
	}
	return &callError{wamp.ErrRuntimeError, payload, said}
}

// A tail keeps the end of what is written to it.
type tail struct {
	limit int

	mu   sync.Mutex // guards kept: a writer may outlive its process
	kept []byte
}

// Write keeps p, and forgets what no longer fits.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - t.limit; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

// String returns the end without white space around it.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(t.kept), ""))
}

// A sharedWriter lets many goroutines write to one Writer.
type sharedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

// Write writes p in one piece.
func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
