package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// given returns an invocation without progress that has these chunks.
func given(chunks ...wamp.Payload) *invocation {
	inv := &invocation{chunks: make(chan chunk, max(1, len(chunks)))}
	for i, payload := range chunks {
		inv.chunks <- chunk{payload: payload, more: i < len(chunks)-1}
	}
	return inv
}

func jsonArgs(list string) wamp.Payload {
	return wamp.Payload{Serializer: wamp.JSON, Args: []byte(list)}
}

// TestDemoAddIsExact compares demo.add with sums of whole multiples of a power
// of ten, which package big adds exactly.
func TestDemoAddIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.IntRange(0, 30).Draw(t, "digits")
		sum, scale := new(big.Int), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
		var list []string
		for _, n := range rapid.SliceOfN(rapid.Int64(), 1, 20).Draw(t, "numbers") {
			sum.Add(sum, big.NewInt(n))
			list = append(list, new(big.Rat).SetFrac(big.NewInt(n), scale).FloatString(digits))
		}
		got, err := demoAdd(t.Context(), given(jsonArgs("["+strings.Join(list, ",")+"]")))
		if err != nil {
			t.Fatal(err)
		}
		parsed, ok := new(big.Rat).SetString(strings.Trim(string(got.Args), "[]"))
		if want := new(big.Rat).SetFrac(sum, scale); !ok || parsed.Cmp(want) != 0 {
			t.Fatalf("sum of %v = %s, want %s", list, got.Args, want.FloatString(digits))
		}
	})
}

func TestDemoSHA256OfChunks(t *testing.T) {
	t.Parallel()
	packed, err := wamp.NewPayload(wamp.MsgPack, []any{[]byte("b\x00"), "c"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := demoSHA256(t.Context(), given(jsonArgs(`["a"]`), packed, wamp.Payload{}))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("ab\x00c"))
	if want := `["` + hex.EncodeToString(digest[:]) + `"]`; string(got.Args) != want {
		t.Errorf("digest = %s, want %s", got.Args, want)
	}
}

// TestDemoRefuses checks what the samples do not take.
func TestDemoRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		serve handler
		args  string
	}{
		"add text":          {demoAdd, `["1"]`},
		"add a list":        {demoAdd, `[[1]]`},
		"add huge":          {demoAdd, `[1e1001]`},
		"add tiny":          {demoAdd, `[1e-99999999999999999999]`},
		"add long":          {demoAdd, "[" + strings.Repeat("1", 1001) + "]"},
		"sleep how long":    {demoSleep, `[]`},
		"sleep backwards":   {demoSleep, `[-1]`},
		"sleep for ever":    {demoSleep, `[86401]`},
		"sleep a while":     {demoSleep, `["a while"]`},
		"count to a half":   {demoCount, `[0.5]`},
		"count to infinity": {demoCount, `[1000000001]`},
		"grep a number":     {demoGrep, `[1]`},
		"digest of null":    {demoSHA256, `[null]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.serve(t.Context(), given(jsonArgs(tt.args)))
			var e *callError
			if !errors.As(err, &e) || e.uri != wamp.ErrInvalidArgument {
				t.Errorf("%s = %s, %v; want %s", tt.args, got.Args, err, wamp.ErrInvalidArgument)
			}
		})
	}
	_, err := demoFail(t.Context(), given(wamp.Payload{Serializer: wamp.JSON, Kwargs: []byte(`{"error":"not a URI"}`)}))
	var e *callError
	if !errors.As(err, &e) || e.uri != wamp.ErrInvalidArgument {
		t.Errorf("demo.fail with a bad URI: %v", err)
	}
}

// TestDemoHeedsInterrupts interrupts every sample while it waits for its
// input, and those that take their time while they do.
func TestDemoHeedsInterrupts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	for _, p := range slices.Concat(demoProcedures(), demoStreams(), demoBytes()) {
		if _, err := p.serve(ctx, given()); !errors.Is(err, errInterrupted) {
			t.Errorf("%s without input = %v, want %v", p.uri, err, errInterrupted)
		}
	}
	if err := count(ctx, given(), maxCount, 0); !errors.Is(err, errInterrupted) {
		t.Errorf("counting = %v, want %v", err, errInterrupted)
	}
	if err := sleep(ctx, 1<<62); !errors.Is(err, errInterrupted) {
		t.Errorf("sleeping = %v, want %v", err, errInterrupted)
	}
}

// TestDemoConversation streams in both directions at once.
func TestDemoConversation(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for procedure, wants := range map[string][2]string{
		"demo.echo": {`"args":["Error 1"]`, `"event":"result"`},
		"demo.grep": {`"args":["Error 1"]`, `"args":[2]`},
	} {
		chat := startStream(ctx, t, url+"/call/"+procedure+"?in=lines", "Error 1\n")
		if got := chat.receive(t, "progress"); !strings.Contains(got, wants[0]) {
			t.Errorf("%s said %s, want …%s…", procedure, got, wants[0])
		}
		chat.send(t, "an error 2\n")
		if got := chat.receive(t, "progress"); !strings.Contains(got, "an error 2") {
			t.Errorf("%s said %s, want …an error 2…", procedure, got)
		}
		chat.end()
		if got := chat.receive(t, "result"); !strings.Contains(got, wants[1]) {
			t.Errorf("%s ended with %s, want …%s…", procedure, got, wants[1])
		}
	}
}

// TestDemoUpload uploads bytes of unknown number.
func TestDemoUpload(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	data := make([]byte, 3<<20+12345)
	_, _ = rand.Read(data)
	body := struct{ io.Reader }{strings.NewReader(string(data))} // hides its length
	req, err := http.NewRequestWithContext(soon(t), http.MethodPost, url+"/call/demo.sha256", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	got, err := io.ReadAll(resp.Body)
	digest := sha256.Sum256(data)
	if want := `"` + hex.EncodeToString(digest[:]) + `"`; err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("digest = %s, %v; want %s", got, err, want)
	}
}

// TestCalleeIsBounded makes one call more than a callee serves at once: that
// one is refused, and as long as it is the others go on.
func TestCalleeIsBounded(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a thousand calls take a while")
	}
	_, url := dev(t, "--max-calls-each", "2000")
	ctx, cancel := context.WithCancel(soon(t))
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	var calls sync.WaitGroup
	answers := make(chan string, maxInvocations+1)
	for range maxInvocations + 1 {
		calls.Go(func() { answers <- postJSON(ctx, transport, url+"/call/demo.sleep", "[60]") })
	}
	first := <-answers
	cancel()
	calls.Wait()
	if !strings.Contains(first, `"error":"wamp.error.unavailable"`) || !strings.Contains(first, `"source":"callee"`) {
		t.Errorf("the first answer is %s, want the callee's wamp.error.unavailable", first)
	}
}

// postJSON returns the body of the answer, or the error.
func postJSON(ctx context.Context, transport http.RoundTripper, url, body string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", typeJSON)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]dealer.DisclosePolicy{
		"both": dealer.DiscloseBoth, "either": dealer.DiscloseEither, "always": dealer.DiscloseAlways, "never": dealer.DiscloseNever,
	} {
		if got := disclosePolicy(name); got != want {
			t.Errorf("disclosePolicy(%s) = %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]wamp.InvokePolicy{
		"single": wamp.InvokeSingle, "roundrobin": wamp.InvokeRoundRobin, "random": wamp.InvokeRandom,
		"first": wamp.InvokeFirst, "last": wamp.InvokeLast,
	} {
		if got := invokePolicy(name); got != want {
			t.Errorf("invokePolicy(%s) = %v, want %v", name, got, want)
		}
	}
}
