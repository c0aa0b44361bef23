package main

import (
	"context"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// demoProcedures are the samples of "wampgate dev" that answer once. They speak
// JSON, so that numbers stay as they are written.
func demoProcedures() []procedure {
	return withSchemas(
		procedure{"demo.add", described("adds numbers exactly", true), demoAdd},
		procedure{"demo.greet", described("greets whom you name", true), demoGreet},
		procedure{"demo.fail", described("always fails", false), demoFail},
		procedure{"demo.sleep", described("sleeps for some seconds", false), demoSleep},
	)
}

// described makes options of what a procedure does; a safe one changes nothing.
func described(summary string, safe bool) wamp.RegisterOptions {
	return wamp.RegisterOptions{Custom: wamp.Dict{"_http": wamp.Dict{"summary": summary, "safe": safe}}}
}

// demoStreams are the samples that stream. They have a session of their own,
// since a session waits as a whole while one of its callers reads slowly.
func demoStreams() []procedure {
	return withSchemas(
		procedure{"demo.count", described("counts, a progressive result at a time", false), demoCount},
		procedure{"demo.echo", described("returns its arguments", false), demoEcho},
		procedure{"demo.grep", described("finds lines of a stream", false), demoGrep},
	)
}

// demoBytes are the samples that take bytes, for which JSON has no good form.
func demoBytes() []procedure {
	return withSchemas(procedure{"demo.sha256", described("hashes a stream of bytes", false), demoSHA256})
}

func invalid(format string, args ...any) error {
	return newCallError(wamp.ErrInvalidArgument, fmt.Sprintf(format, args...))
}

// maxDigits is how long a number of demo.add may be, and how far its point may
// move: an exact sum costs as many digits as its largest and its smallest
// number are apart.
const maxDigits = 1000

// demoAdd returns the exact sum of its arguments.
func demoAdd(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	payload, _, err := inv.next(ctx)
	if err != nil {
		return payload, err
	}
	sum := new(big.Rat)
	if payload.Empty() {
		return values(0), nil
	}
	for element, err := range payload.Serializer.Elements(payload.Args) {
		if err != nil {
			return payload, err
		}
		n, err := decimal(string(element))
		if err != nil {
			return payload, err
		}
		sum.Add(sum, n)
	}
	digits, _ := sum.FloatPrec() // a sum of decimals is one
	return wamp.Payload{Serializer: wamp.JSON, Args: []byte("[" + sum.FloatString(digits) + "]")}, nil
}

// decimal reads a JSON number.
func decimal(s string) (*big.Rat, error) {
	exponent := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exponent, _ = strconv.Atoi(s[i+1:]) // at its limit, if it is out of range
	}
	if len(s) > maxDigits || exponent > maxDigits || exponent < -maxDigits {
		return nil, invalid("%.100s is too long a number", s)
	}
	n, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, invalid("%.100s is not a number", s)
	}
	return n, nil
}

// arguments reads the only or first chunk of a call.
func arguments(ctx context.Context, inv *invocation) ([]any, wamp.Dict, error) {
	payload, _, err := inv.next(ctx)
	if err != nil {
		return nil, nil, err
	}
	return payload.Decode()
}

// demoGreet greets whom the keyword argument "name" or the first argument
// names.
func demoGreet(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	args, kwargs, err := arguments(ctx, inv)
	if err != nil {
		return wamp.Payload{}, err
	}
	name := any("world")
	if len(args) > 0 {
		name = args[0]
	}
	if n, ok := kwargs["name"]; ok {
		name = n
	}
	return values(fmt.Sprintf("Hello, %v", name)), nil
}

// demoEcho returns its arguments, and each chunk of a progressive call as a
// progressive result.
func demoEcho(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	for {
		payload, more, err := inv.next(ctx)
		if err != nil || !more {
			return payload, err
		}
		if err := inv.yield(payload); err != nil {
			return payload, err
		}
	}
}

// demoFail fails with its own arguments, under the URI that the keyword
// argument "error" names.
func demoFail(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	args, kwargs, err := arguments(ctx, inv)
	if err != nil {
		return wamp.Payload{}, err
	}
	e := &callError{uri: "demo.error.failed", text: "asked to"}
	if uri, ok := kwargs.String("error"); ok {
		e.uri = wamp.URI(uri)
		delete(kwargs, "error")
	}
	if !e.uri.Valid() {
		return wamp.Payload{}, invalid("%q is not a URI", e.uri)
	}
	if len(args) == 0 {
		args = []any{"this procedure always fails"}
	}
	if e.payload, err = wamp.NewPayload(wamp.JSON, args, kwargs); err != nil {
		return wamp.Payload{}, err
	}
	return wamp.Payload{}, e
}

// demoSleep sleeps for as many seconds as its argument says.
func demoSleep(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	args, _, err := arguments(ctx, inv)
	if err != nil {
		return wamp.Payload{}, err
	}
	seconds, ok := 0.0, len(args) == 1
	if ok {
		seconds, ok = number(args[0])
	}
	if !ok || seconds < 0 || seconds > 86400 {
		return wamp.Payload{}, invalid("want a number of seconds, at most 86400")
	}
	if err := sleep(ctx, time.Duration(seconds*float64(time.Second))); err != nil {
		return wamp.Payload{}, err
	}
	return values(args[0]), nil
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
