package wamp_test

import (
	"fmt"
	"os"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A call goes from a caller that speaks JSON to a callee that speaks CBOR. Its
// arguments are transcoded on the way and never become Go values.
func Example() {
	frame := []byte(`[48,1,{"receive_progress":true},"com.example.add",[2,3]]`)

	m, err := wamp.NewDecoder(wamp.JSON).Decode(frame)
	if err != nil {
		return // wraps wamp.ErrMalformed: the session must be aborted
	}
	call, ok := m.(*wamp.Call)
	if !ok {
		return
	}
	invocation := &wamp.Invocation{
		Request:      7,
		Registration: 4,
		Details:      wamp.InvocationDetails{Procedure: call.Procedure, ReceiveProgress: call.Options.ReceiveProgress},
		Payload:      call.Payload,
	}
	for _, s := range []wamp.Serializer{wamp.JSON, wamp.CBOR} {
		b, err := s.Append(nil, invocation)
		if err != nil {
			return // wraps wamp.ErrUntranscodable: the caller gets an ERROR
		}
		_, _ = fmt.Fprintf(os.Stdout, "%v: %q\n", s, b)
	}
	// Output:
	// json: "[68,7,4,{\"procedure\":\"com.example.add\",\"receive_progress\":true},[2,3]]"
	// cbor: "\x85\x18D\a\x04\xa2iprocedureocom.example.addpreceive_progress\xf5\x82\x02\x03"
}
