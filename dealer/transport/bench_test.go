package transport_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// BenchmarkEcho is a call of an echo procedure over sockets: two clients of
// this package and the router between them, all in this process.
func BenchmarkEcho(b *testing.B) {
	for _, serializer := range []wamp.Serializer{wamp.JSON, wamp.MsgPack} {
		for _, size := range []int{16, 1024} {
			payload, err := wamp.NewPayload(serializer, []any{strings.Repeat("x", size)}, nil)
			if err != nil {
				b.Fatal(err)
			}
			for _, inFlight := range []int{1, 64} {
				b.Run(fmt.Sprintf("%v/%dB/%d", serializer, size, inFlight), func(b *testing.B) {
					s := loopback(b, transport.Config{})
					s.Echo(b, serializer, "com.example.echo")
					benchCalls(b, s.Connect(b, serializer), inFlight, payload)
				})
			}
		}
	}
}

// benchCalls keeps a number of calls in flight.
func benchCalls(b *testing.B, c *transport.Conn, inFlight int, p wamp.Payload) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(int64(len(p.Args)))
	tokens := make(chan struct{}, inFlight)
	var answers sync.WaitGroup
	n := b.N
	b.ResetTimer()
	answers.Go(func() {
		for range n {
			if m, err := c.Receive(b.Context()); err != nil || m.Type() != wamp.TypeResult {
				b.Errorf("got %v, %v", m, err)
				return
			}
			<-tokens
		}
	})
	m := &wamp.Call{Procedure: "com.example.echo", Payload: p}
	for range n {
		tokens <- struct{}{}
		m.Request++
		if err := c.Send(m); err != nil {
			b.Fatal(err)
		}
	}
	answers.Wait()
}

// BenchmarkJoinLeave is a connection with one session on it.
func BenchmarkJoinLeave(b *testing.B) {
	s := loopback(b, transport.Config{})
	b.ReportAllocs()
	for b.Loop() {
		c, err := transport.Dial(b.Context(), s.URL, wamp.JSON, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Join(b.Context(), wamptest.NewHello()); err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
