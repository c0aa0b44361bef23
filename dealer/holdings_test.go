package dealer_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestMayHold asks about all that a session has registered and subscribed to.
func TestMayHold(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "com.", Options: wamp.RegisterOptions{Match: wamp.MatchPrefix}})
	receive(t, d, 1, &wamp.Subscribe{Request: 2, Topic: "wamp.session.on_join"})
	var asked []string
	all := []string{"false exact wamp.session.on_join", "true prefix com."}
	ask := func(id wamp.ID, no string) bool {
		asked = nil
		return d.MayHold(id, func(registered bool, match wamp.MatchPolicy, uri wamp.URI) bool {
			what := fmt.Sprintf("%t %s %s", registered, match, uri)
			asked = append(asked, what)
			return what != no
		})
	}
	if !ask(1, "") || !slices.Equal(slices.Sorted(slices.Values(asked)), all) {
		t.Errorf("asked about %q, want %q", asked, all)
	}
	for _, no := range all {
		if ask(1, no) {
			t.Errorf("may hold everything but %s", no)
		}
	}
	if !ask(7, "") || asked != nil {
		t.Errorf("asked about %q of nobody", asked)
	}
}
