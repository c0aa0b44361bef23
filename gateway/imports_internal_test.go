package gateway

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// everything is a directory without registrations.
type everything struct{}

func (everything) List(wamp.Identity, wamp.ID, int) ([]Procedure, wamp.ID) { return nil, 0 }
func (everything) Find(wamp.Identity, wamp.URI, wamp.MatchPolicy) (Procedure, bool) {
	return Procedure{}, false
}
func (everything) Match(wamp.Identity, wamp.URI) (Procedure, bool) { return Procedure{}, false }

// TestRoutesAreReserved: no route of a document can shadow one of ours.
func TestRoutesAreReserved(t *testing.T) {
	t.Parallel()
	join := func(wamp.Identity, Outbox) (Session, error) { return nil, http.ErrNotSupported }
	g, err := New(Config{Join: join, JoinCallee: join, Directory: everything{}, WebSocket: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	known := 0
	err = chi.Walk(g.own, func(_, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		first, _, _ := strings.Cut(strings.TrimPrefix(route, "/"), "/")
		if known++; first != "" && !slices.Contains(reservedNames(), first) {
			t.Errorf("a document could take %s", route)
		}
		return nil
	})
	if err != nil || known < 30 {
		t.Errorf("%d routes, %v", known, err)
	}
}
