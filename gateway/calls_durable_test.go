package gateway_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// durable is a store of calls elsewhere.
type durable struct{ state gateway.CallState }

func (d *durable) status() gateway.CallStatus {
	return gateway.CallStatus{ID: "d_1", Procedure: "test.order", State: d.state, Created: time.Unix(1, 0)}
}

func (d *durable) List(context.Context, wamp.Identity, int) ([]gateway.CallStatus, error) {
	return []gateway.CallStatus{d.status()}, nil
}

func (d *durable) Find(_ context.Context, _ wamp.Identity, id string) (gateway.CallStatus, error) {
	switch id {
	case "d_1", "50%", "a/50%":
		return d.status(), nil
	case "d_down":
		return gateway.CallStatus{}, io.ErrUnexpectedEOF
	}
	return gateway.CallStatus{}, gateway.ErrNoSuchCall
}

func (d *durable) Await(ctx context.Context, who wamp.Identity, id string) (gateway.CallStatus, error) {
	<-ctx.Done()
	return d.Find(ctx, who, id)
}

func (d *durable) Outcome(context.Context, wamp.Identity, string) (gateway.CallOutcome, error) {
	if d.state == gateway.CallFailed {
		return gateway.CallOutcome{Error: "com.example.gone", Payload: jsonPayload(`["sold"]`, "")}, nil
	}
	return gateway.CallOutcome{Payload: jsonPayload(`["ok"]`, "")}, nil
}

func (d *durable) Cancel(context.Context, wamp.Identity, string, wamp.CancelMode) (gateway.CallStatus, error) {
	d.state = gateway.CallCanceling
	return d.status(), nil
}

// TestDurableCalls: calls that are kept elsewhere are found under /calls, too.
func TestDurableCalls(t *testing.T) {
	t.Parallel()
	d := &durable{state: gateway.CallRunning}
	g := newGateway(t, &realm{}, func(cfg *gateway.Config) { cfg.Durable = d })
	tests := []struct {
		state        gateway.CallState
		method, path string
		status       int
		words        string
	}{
		{gateway.CallRunning, "GET", "/calls", 200, `{"id":"d_1","procedure":"test.order","state":"running"`},
		{gateway.CallRunning, "GET", "/calls/d_1", 200, `"created":"1970-01-01T00:00:01.000Z"`},
		{gateway.CallRunning, "GET", "/calls/50%25", 200, `"state":"running"`},
		{gateway.CallRunning, "GET", "/calls/a%2F50%25", 200, `"state":"running"`},
		{gateway.CallDone, "GET", "/calls/a%2F50%25/result", 200, `"ok"`},
		{gateway.CallRunning, "GET", "/calls/d_1?wait=1ms", 200, `"state":"running"`},
		{gateway.CallRunning, "GET", "/calls/d_1/result", 409, "gateway.error.call_running"},
		{gateway.CallDone, "GET", "/calls/d_1/result", 200, `"ok"`},
		{gateway.CallFailed, "GET", "/calls/d_1/result", 410, `"detail":"sold"`},
		{gateway.CallRunning, "DELETE", "/calls/d_1?mode=skip", 202, `"state":"canceling"`},
		{gateway.CallDone, "DELETE", "/calls/d_1", 204, ""},
		{gateway.CallRunning, "GET", "/calls/d_1/events", 404, "has no events"},
		{gateway.CallRunning, "POST", "/calls/d_1/input", 409, "takes no more items"},
		{gateway.CallRunning, "GET", "/calls/d_2", 404, "gateway.error.not_found"},
		{gateway.CallRunning, "GET", "/calls/d_down", 503, "cannot be reached"},
	}
	for _, tt := range tests {
		d.state = tt.state
		if w := do(g, tt.method, tt.path, nil); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.words) {
			t.Errorf("%s %s of a call that is %v: %d %s, want %d with %s", tt.method, tt.path, tt.state, w.Code, w.Body, tt.status, tt.words)
		}
	}
}
