package router_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// A counter locks out what failed ten times.
type counter struct {
	mu     sync.Mutex
	failed map[string]int
}

func (c *counter) Wait(from netip.Addr, principal string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if from.IsValid() && c.failed[from.String()] >= 10 || c.failed[principal] >= 10 {
		return time.Second
	}
	return 0
}

func (c *counter) Failed(from netip.Addr, principal string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed[from.String()]++
	c.failed[principal]++
}

// TestGuesses: those who guess are not listened to after ten times, and neither
// is who has their address or the name that they wanted. Others are.
func TestGuesses(t *testing.T) {
	t.Parallel()
	var principals []auth.Principal
	for _, name := range []string{"ada", "bob", "eve"} {
		principals = append(principals, auth.Principal{Authid: name, Role: "user", Ticket: auth.HashTicket(secret), CRA: auth.NewCRASecret(secret)})
	}
	a, err := auth.New(auth.Config{Principals: principals})
	if err != nil {
		t.Fatal(err)
	}
	r := router.New(router.Config{
		Realms: []dealer.Config{{Realm: wamptest.Realm}}, Auth: a, Guard: &counter{failed: map[string]int{}},
	})
	try := func(peer, authid, ticket string) string {
		step := r.Hello(t.Context(), hello(t, fmt.Sprintf(ticketHello, authid)), router.TransportInfo{Peer: peer}, &inbox{})
		if step = step.Pending.Authenticate(t.Context(), &wamp.Authenticate{Signature: ticket}); step.Session != nil {
			return "in"
		}
		text, _ := step.Abort.Details.String("message")
		return text
	}
	const evil, good, local = "203.0.113.9:1", "198.51.100.7:1", "unix:/run/wampgate.sock"
	wrong := map[string]int{}
	for range 100 {
		wrong[try(evil, "ada", "guess")]++
	}
	if n := wrong["the credentials are not accepted"]; n != 10 || len(wrong) != 2 {
		t.Errorf("100 guesses came to %v, want ten that were judged", wrong)
	}
	for _, tt := range []struct{ peer, authid, want string }{
		{evil, "ada", "too many"},
		{evil, "bob", "too many"},
		{good, "ada", "too many"},
		{local, "ada", "too many"},
		{good, "bob", "in"},
		{local, "bob", "in"},
		{"198.51.100.8", "bob", "in"},
	} {
		if got := try(tt.peer, tt.authid, secret); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s from %s with the right ticket: %q, want %q", tt.authid, tt.peer, got, tt.want)
		}
	}
	// The answers of many peers that are asked at once are judged one by one.
	var pending []*router.Handshake
	for range 100 {
		step := r.Hello(t.Context(), hello(t, fmt.Sprintf(ticketHello, "eve")), router.TransportInfo{Peer: good}, &inbox{})
		pending = append(pending, step.Pending)
	}
	judged := 0
	for _, h := range pending {
		step := h.Authenticate(t.Context(), &wamp.Authenticate{Signature: "guess"})
		if text, _ := step.Abort.Details.String("message"); !strings.HasPrefix(text, "too many") {
			judged++
		}
	}
	if judged != 10 {
		t.Errorf("%d of 100 guesses at once were judged, want 10", judged)
	}
}
