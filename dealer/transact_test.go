package dealer_test

import (
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestTransaction: whoever coordinates transactions is told how a procedure
// was registered, by a pattern too.
func TestTransaction(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	option := wamp.TransactionOptions{Compensate: "p.undo"}
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "p.", Options: wamp.RegisterOptions{Match: wamp.MatchPrefix, Transaction: &option}})
	receive(t, d, 1, &wamp.Register{Request: 2, Procedure: "p.plain"})
	if o, ok := d.Transaction("p.x"); !ok || o == nil || *o != option {
		t.Errorf("Transaction(p.x) = %v, %v", o, ok)
	}
	if o, ok := d.Transaction("p.plain"); !ok || o != nil {
		t.Errorf("Transaction(p.plain) = %v, %v", o, ok)
	}
	if o, ok := d.Transaction("q"); ok || o != nil {
		t.Errorf("Transaction(q) = %v, %v", o, ok)
	}
}
