package dealer_test

import (
	"fmt"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// Session 2 offers a procedure, session 1 calls it. Each message that goes in
// leads to messages that have to be delivered.
func Example() {
	d := dealer.New(dealer.Config{Realm: "realm1"})
	for id := wamp.ID(1); id <= 2; id++ {
		if err := d.Join(dealer.Peer{ID: id}); err != nil {
			fmt.Println(err)
		}
	}
	receive := func(from wamp.ID, m wamp.Message) {
		out, err := d.Receive(time.Time{}, from, m)
		if err != nil {
			fmt.Println("abort", from, err)
		}
		for _, delivery := range out {
			frame, _ := wamp.JSON.Append(nil, delivery.Message)
			fmt.Printf("to %d: %s\n", delivery.To, frame)
		}
	}

	receive(2, &wamp.Register{Request: 1, Procedure: "com.example.add"})
	receive(1, &wamp.Call{
		Request:   1,
		Procedure: "com.example.add",
		Payload:   wamp.Payload{Serializer: wamp.JSON, Args: []byte(`[1,2]`)},
	})
	receive(2, &wamp.Yield{
		Request: 1,
		Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`[3]`)},
	})
	// Output:
	// to 2: [65,1,1]
	// to 2: [68,1,1,{"procedure":"com.example.add"},[1,2]]
	// to 1: [50,1,{},[3]]
}
