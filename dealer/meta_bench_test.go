package dealer_test

import (
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// BenchmarkMeta shows what calls of the meta API cost in a realm of 10,000
// sessions.
func BenchmarkMeta(b *testing.B) {
	d := dealer.New(dealer.Config{})
	for id := wamp.MaxID; id > wamp.MaxID-10_000; id-- {
		join(b, d, id)
	}
	for _, procedure := range []wamp.URI{"wamp.session.count", "wamp.session.list", "wamp.session.get"} {
		b.Run(string(procedure), func(b *testing.B) {
			b.ReportAllocs()
			call := &wamp.Call{Request: 1, Procedure: procedure}
			if procedure == "wamp.session.get" {
				call.Payload = wamp.Payload{Serializer: wamp.JSON, Args: []byte("[9007199254740992]")}
			}
			for b.Loop() {
				receive(b, d, wamp.MaxID, call)
				call.Request++
			}
		})
	}
}
