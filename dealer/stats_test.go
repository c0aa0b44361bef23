package dealer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// ended returns how many calls have ended.
func ended(s dealer.Stats) (n uint64) {
	for _, of := range s.Ended {
		n += of
	}
	return n
}

// printStats shows what is not zero.
func (p *player) printStats() {
	s := p.dealer.Stats()
	line := fmt.Sprintf("%d calls", s.Calls)
	for o, n := range s.Ended {
		if n > 0 {
			line += fmt.Sprintf(", %d %s (%s)", n, dealer.Outcome(o), dealer.Outcome(o).Source())
		}
	}
	for _, more := range []struct {
		name string
		n    uint64
	}{{"late", s.Late}, {"ungraceful", s.Ungraceful}, {"passed on", s.PassedOn}, {"undelivered", s.Undelivered}} {
		if more.n > 0 {
			line += fmt.Sprintf(", %d %s", more.n, more.name)
		}
	}
	p.printf("%s", line)
	each, others := p.dealer.ProcedureStats()
	slices.SortFunc(each, func(a, b dealer.ProcedureStats) int { return strings.Compare(string(a.URI), string(b.URI)) })
	for _, s := range each {
		p.printf("%s %s: %d results, %d errors, %d failed", s.URI, s.Match, s.Results, s.Errors, s.Failed)
	}
	if others != (dealer.ProcedureStats{}) {
		p.printf("others: %d results, %d errors, %d failed", others.Results, others.Errors, others.Failed)
	}
}

// TestDenied: what a rule of a role refuses is counted as such.
func TestDenied(t *testing.T) {
	t.Parallel()
	d := realm(t, dealer.Config{})
	if _, err := d.Deny(epoch(), 1, &wamp.Call{Request: 1, Procedure: "p"}, wamp.ErrRateLimited, "no"); err != nil {
		t.Fatal(err)
	}
	deny(t, d, &wamp.Call{Request: 2, Procedure: "p"})
	if s := d.Stats(); s.Calls != 2 || s.Ended[dealer.RateLimited] != 1 || s.Ended[dealer.NotAuthorized] != 1 {
		t.Errorf("Stats() = %+v, want 2 calls, one over the limit and one without the right", s)
	}
}
