package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestPersistentLocation: the header says where a call is, unless it was
// refused.
func TestPersistentLocation(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo, "test.fail": raises("com.example.no", "", "")}}
	for uri, origin := range map[wamp.URI]wamp.Origin{
		wamp.ErrOptionNotAllowed: wamp.OriginDealer, wamp.ErrUnavailable: wamp.OriginDealer, wamp.ErrTimeout: wamp.OriginDealerDispatched,
		wamp.ErrIdempotencyConflict: wamp.OriginDealer,
	} {
		r.procedures[uri] = func(c incoming) { c.fail(uri, origin, wamp.Payload{}) }
	}
	g := newGateway(t, r, nil)
	for uri, kept := range map[wamp.URI]bool{
		"test.echo": true, "test.fail": true, wamp.ErrTimeout: true, wamp.ErrIdempotencyConflict: true, wamp.ErrOptionNotAllowed: false, wamp.ErrUnavailable: false,
	} {
		w := post(g, "/call/"+string(uri)+"?trust=persistent", "[1]", "Content-Type", jsonType, "Idempotency-Key", "k")
		if got := w.Header().Get("Location"); (got == "/calls/k") != kept {
			t.Errorf("%s: %d, Location %q, want kept %v", uri, w.Code, got, kept)
		}
	}
}

// TestScheduleOptions shows what becomes of the options that say when a
// persistent call is due.
func TestScheduleOptions(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	g := newGateway(t, r, nil)
	at := time.Date(2040, 2, 29, 12, 0, 0, 0, time.UTC).UnixMilli()
	for query, want := range map[string]wamp.KeepOptions{
		"":                                       {},
		"delay=1500":                             {Delay: 1500},
		"delay=PT2M&expiry=1.5h":                 {Delay: 120_000, Expiry: 5_400_000},
		"not_before=2040-02-29T12:00:00Z":        {NotBefore: at},
		"not_before=2040-02-29T13:00:00%2B01:00": {NotBefore: at},
		"not_before=1960-01-01T00:00:00Z":        {NotBefore: 1},
	} {
		w := post(g, "/call/test.echo?trust=persistent&"+query, "[1]", "Content-Type", jsonType, "Idempotency-Key", "k")
		call, _ := r.last()
		if want.CallID = "k"; w.Code != http.StatusOK || call.Options.Keep == nil || *call.Options.Keep != want {
			t.Errorf("%s: %d %s; CALL with %+v, want %+v", query, w.Code, w.Body, call.Options.Keep, want)
		}
	}
	for query, words := range map[string]string{
		"delay=1s":                                                  "trust=persistent",
		"trust=acknowledged&expiry=1s":                              "trust=persistent",
		"trust=persistent&delay=0":                                  "more than 0",
		"trust=persistent&delay=-1":                                 "negative",
		"trust=persistent&delay=1s&delay=2s":                        "twice",
		"trust=persistent&delay=1s&not_before=2040-02-29T12:00:00Z": "do not go together",
		"trust=persistent&delay=1s&not_before=1960-01-01T00:00:00Z": "do not go together",
		"trust=persistent&not_before=tomorrow":                      "want a time",
		"trust=persistent&not_before=2040-02-29T13:00:00+01:00":     "%2B",
	} {
		w := post(g, "/call/test.echo?"+query, "[1]", "Content-Type", jsonType)
		if d := problemIn(t, w, w.Body.Bytes()); w.Code != http.StatusBadRequest || !strings.Contains(d.Detail, words) {
			t.Errorf("%s: %d %q, want 400 with %q", query, w.Code, d.Detail, words)
		}
	}
	body := `{"procedure":"test.echo","options":{"trust":"persistent","delay":1500.0,"expiry":"1m"}}`
	for path, media := range map[string]string{"/call": jsonType, "/batch": ndjson} {
		w := post(g, path, body, "Content-Type", media)
		if call, _ := r.last(); call.Options.Keep == nil || call.Options.Keep.Delay != 1500 || call.Options.Keep.Expiry != 60_000 {
			t.Errorf("%s: %d %s; CALL with %+v", path, w.Code, w.Body, call.Options.Keep)
		}
		w = post(g, path, strings.ReplaceAll(body, `"trust":"persistent",`, ""), "Content-Type", media)
		if !strings.Contains(w.Body.String(), "trust=persistent") {
			t.Errorf("%s without trust: %d %s", path, w.Code, w.Body)
		}
	}
}
