package transport_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// TestKilled kills sessions: their peers get the GOODBYE, whatever they send
// meanwhile, and the connection is closed. One that does not answer is not
// waited for long.
func TestKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{Router: router.Config{
			Realms: []dealer.Config{{Realm: wamptest.Realm, MetaKill: true}},
		}})
		killer := s.Join(t, wamp.JSON)
		polite, busy, silent := s.Join(t, wamp.JSON), s.Join(t, wamp.MsgPack), s.Join(t, wamp.CBOR)
		killer.Send(`[48, 1, {}, "wamp.session.kill_all", [], {"message": "enough"}]`)
		killer.Want(`[50, 1, {}, [3]]`)
		for _, p := range []*wamptest.Peer{polite, busy} {
			p.Want(`[6, {"message": "enough"}, "wamp.close.killed"]`)
			p.Send(`[6, {}, "wamp.close.goodbye_and_out"]`)
			p.WantClosed(websocket.StatusNormalClosure)
		}
		pass(10 * time.Second) // silent reads nothing
		synctest.Wait()
		if got := s.Handler.Conns(); got != 1 {
			t.Errorf("%d connections, want the killer's alone", got)
		}
		silent.WantLost()
	})
}
