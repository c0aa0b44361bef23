package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxCount is how far demo.count counts.
const maxCount = 1_000_000_000

// demoCount sends 1 to n as progressive results, n being its argument, and
// then "done". The keyword argument "delay_ms" makes it pause before each.
func demoCount(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	args, kwargs, err := arguments(ctx, inv)
	if err != nil {
		return wamp.Payload{}, err
	}
	n, ok := 3.0, true
	if len(args) > 0 {
		n, ok = number(args[0])
	}
	if !ok || n != math.Trunc(n) || n < 0 || n > maxCount {
		return wamp.Payload{}, invalid("want a whole number to count to, at most %d", maxCount)
	}
	delay, _ := number(kwargs["delay_ms"])
	if err := count(ctx, inv, int64(n), time.Duration(delay*float64(time.Millisecond))); err != nil {
		return wamp.Payload{}, err
	}
	return values("done"), nil
}

func count(ctx context.Context, inv *invocation, n int64, delay time.Duration) error {
	for i := range n {
		if delay > 0 {
			if err := sleep(ctx, delay); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		list := append(strconv.AppendInt([]byte{'['}, i+1, 10), ']')
		if err := inv.yield(wamp.Payload{Serializer: wamp.JSON, Args: list}); err != nil {
			return err
		}
	}
	return nil
}

// demoGrep sends those of the lines it is given that hold a text, and at last
// how many there were. Lines are string arguments, of any number of chunks;
// the text is the keyword argument "pattern" of the first chunk, or "error",
// and case does not matter.
func demoGrep(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	pattern, matches := "", 0
	for {
		payload, more, err := inv.next(ctx)
		if err != nil {
			return payload, err
		}
		lines, kwargs, err := payload.Decode()
		if err != nil {
			return payload, err
		}
		if pattern == "" {
			pattern = grepPattern(kwargs)
		}
		n, err := grep(inv, lines, pattern)
		if err != nil {
			return payload, err
		}
		matches += n
		if !more {
			return values(matches), nil
		}
	}
}

func grepPattern(kwargs wamp.Dict) string {
	if pattern, _ := kwargs.String("pattern"); pattern != "" {
		return strings.ToLower(pattern)
	}
	return "error"
}

func grep(inv *invocation, lines []any, pattern string) (matches int, err error) {
	for _, line := range lines {
		text, ok := line.(string)
		if !ok {
			return matches, invalid("lines must be strings")
		}
		if !strings.Contains(strings.ToLower(text), pattern) {
			continue
		}
		matches++
		if err := inv.yield(values(text)); err != nil {
			return matches, err
		}
	}
	return matches, nil
}

// demoSHA256 returns the digest, in hex, of all the bytes and strings it is
// given in any number of chunks.
func demoSHA256(ctx context.Context, inv *invocation) (wamp.Payload, error) {
	digest := sha256.New()
	for {
		payload, more, err := inv.next(ctx)
		if err != nil {
			return payload, err
		}
		args, _, err := payload.Decode()
		if err != nil {
			return payload, err
		}
		for _, arg := range args {
			if err := hashValue(digest, arg); err != nil {
				return payload, err
			}
		}
		if !more {
			return values(hex.EncodeToString(digest.Sum(nil))), nil
		}
	}
}

func hashValue(digest io.Writer, arg any) error {
	var err error
	switch arg := arg.(type) {
	case []byte:
		_, err = digest.Write(arg)
	case string:
		_, err = io.WriteString(digest, arg)
	default:
		err = invalid("want bytes or strings")
	}
	return err
}
