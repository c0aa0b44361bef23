package wamp_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A vectorFile is a file of the WAMP specification's message vectors. They are
// not part of this repository: their license is another.
type vectorFile struct {
	Type    string         `json:"wamp_message_type"`
	Code    int            `json:"wamp_message_code"`
	Samples []vectorSample `json:"samples"`
}

type vectorSample struct {
	Description string                     `json:"description"`
	Serializers map[string][]vectorVariant `json:"serializers"`
	Attributes  map[string]any             `json:"expected_attributes"`

	Message       json.RawMessage `json:"wmsg"`
	ExpectedError *struct {
		Contains string `json:"contains"`
	} `json:"expected_error"`
}

type vectorVariant struct {
	Bytes    string `json:"bytes"`
	BytesHex string `json:"bytes_hex"`
}

// vectorFiles returns the files in the folder that WAMP_VECTORS names, by
// default shared/wamp-vectors beside the repository. Without them the test is
// skipped, or fails where CI is true.
func vectorFiles(t *testing.T) map[string]vectorFile {
	t.Helper()
	folder := os.Getenv("WAMP_VECTORS")
	if folder == "" {
		folder = "../../../shared/wamp-vectors"
	}
	paths, err := filepath.Glob(filepath.Join(folder, "singlemessage", "*", "*.json"))
	if err != nil || len(paths) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no WAMP message vectors in %s: set WAMP_VECTORS", folder)
		}
		t.Skipf("no WAMP message vectors in %s: set WAMP_VECTORS", folder)
	}
	files := make(map[string]vectorFile)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file vectorFile
		if err := json.Unmarshal(b, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		files[filepath.Base(path)] = file
	}
	return files
}

// TestVectors decodes every variant of every serialization sample, compares
// the fields with those that are expected, and encodes the message again.
func TestVectors(t *testing.T) {
	t.Parallel()
	samples := 0
	for name, file := range vectorFiles(t) {
		if file.Code == 337 {
			continue // EVENT_RECEIVED is provisional, and about events
		}
		for _, sample := range file.Samples {
			if sample.Serializers == nil {
				continue
			}
			samples++
			t.Run(name+"/"+sample.Description, func(t *testing.T) {
				t.Parallel()
				for _, s := range serializers() {
					testVector(t, s, sample)
				}
			})
		}
	}
	if samples < 34 {
		t.Errorf("%d serialization samples, want at least 34", samples)
	}
}

func testVector(t *testing.T, s wamp.Serializer, sample vectorSample) {
	t.Helper()
	variants := sample.Serializers[s.String()]
	if len(variants) == 0 {
		t.Errorf("no variant for %v", s)
	}
	for _, variant := range variants {
		frame, err := hex.DecodeString(variant.BytesHex)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wamp.NewDecoder(s).Decode(frame)
		if err != nil {
			t.Errorf("%v: Decode(%s): %v", s, variant.BytesHex, err)
			continue
		}
		if got, want := attributes(t, m, sample.Attributes), sample.Attributes; !reflect.DeepEqual(got, want) {
			t.Errorf("%v: Decode(%s) has attributes\n%v, want\n%v", s, variant.BytesHex, got, want)
		}
		again := mustAppend(t, s, m)
		if !keepsOptions(m, sample) {
			continue // the model has no place for all options: nothing to compare
		}
		if !equalsVariant(t, s, again, variants) {
			t.Errorf("%v: Append made %x, want one of %v", s, again, variants)
		}
	}
}

// keepsOptions reports whether the message model has fields for all options of
// the sample.
func keepsOptions(m wamp.Message, sample vectorSample) bool {
	if _, ok := m.(*wamp.Publish); !ok {
		return true
	}
	options, _ := sample.Attributes["options"].(map[string]any)
	for key := range options {
		if key != "acknowledge" {
			return false
		}
	}
	return true
}

// equalsVariant reports whether frame is one of the variants, up to the order
// of dict keys and JSON's white space.
func equalsVariant(t *testing.T, s wamp.Serializer, frame []byte, variants []vectorVariant) bool {
	t.Helper()
	for _, variant := range variants {
		want, err := hex.DecodeString(variant.BytesHex)
		if err != nil {
			t.Fatal(err)
		}
		if s != wamp.JSON && len(want) != len(frame) {
			continue
		}
		if reflect.DeepEqual(mustValue(t, s, frame), mustValue(t, s, want)) {
			return true
		}
	}
	return false
}

func mustValue(tb testing.TB, s wamp.Serializer, b []byte) any {
	tb.Helper()
	v, err := s.Value(b)
	if err != nil {
		tb.Fatalf("%v.Value(%x): %v", s, b, err)
	}
	return v
}

// attributes returns the fields of m under the names that the vectors use,
// those that want has.
func attributes(t *testing.T, m wamp.Message, want map[string]any) map[string]any {
	t.Helper()
	all := sessionAttributes(m)
	if all == nil {
		all = callAttributes(m)
	}
	if all == nil {
		all = pubsubAttributes(m)
	}
	all["message_type"] = m.Type()
	if p, ok := payloadOf(m); ok {
		addPayload(t, all, p)
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			delete(got, name)
		}
	}
	if _, ok := m.(*wamp.Publish); ok {
		got["options"] = want["options"] // only acknowledge has a field
	}
	return got
}

func addPayload(t *testing.T, all map[string]any, p wamp.Payload) {
	t.Helper()
	args, kwargs, err := p.Decode()
	if err != nil {
		t.Fatal(err)
	}
	all["args"], all["kwargs"], all["payload"] = nil, nil, nil
	if b, ok := p.Serializer.BytesValue(p.Args); ok {
		all["payload"] = hex.EncodeToString(b)
		return
	}
	if args != nil {
		all["args"] = args
	}
	if kwargs != nil {
		all["kwargs"] = kwargs
	}
}

func payloadOf(m wamp.Message) (wamp.Payload, bool) {
	switch m := m.(type) {
	case *wamp.Call:
		return m.Payload, true
	case *wamp.Result:
		return m.Payload, true
	case *wamp.Invocation:
		return m.Payload, true
	case *wamp.Yield:
		return m.Payload, true
	case *wamp.Error:
		return m.Payload, true
	case *wamp.Publish:
		return m.Payload, true
	case *wamp.Event:
		return m.Payload, true
	}
	return wamp.Payload{}, false
}

func sessionAttributes(m wamp.Message) map[string]any {
	switch m := m.(type) {
	case *wamp.Hello:
		return map[string]any{"realm": m.Realm, "roles": m.Details["roles"]}
	case *wamp.Welcome:
		return map[string]any{"session_id": m.Session, "roles": m.Details["roles"]}
	case *wamp.Abort:
		return map[string]any{"details": orEmpty(m.Details), "reason": m.Reason}
	case *wamp.Challenge:
		return map[string]any{"method": m.AuthMethod, "extra": orEmpty(m.Extra)}
	case *wamp.Authenticate:
		return map[string]any{"signature": m.Signature, "extra": orEmpty(m.Extra)}
	case *wamp.Goodbye:
		return map[string]any{"details": orEmpty(m.Details), "reason": m.Reason}
	}
	return nil
}

func orEmpty(d wamp.Dict) wamp.Dict {
	if d == nil {
		return wamp.Dict{}
	}
	return d
}

// callAttributes gives all options and details as {}, which those of the
// vectors are; others make the fields differ from zero.
func callAttributes(m wamp.Message) map[string]any {
	switch m := m.(type) {
	case *wamp.Call:
		return map[string]any{"request_id": m.Request, "options": emptyIf(reflect.ValueOf(m.Options).IsZero()), "procedure": m.Procedure}
	case *wamp.Cancel:
		return map[string]any{"request_id": m.Request, "options": emptyIf(m.Mode == wamp.CancelDefault)}
	case *wamp.Result:
		return map[string]any{"request_id": m.Request, "details": emptyIf(reflect.ValueOf(m.Details).IsZero())}
	case *wamp.Register:
		return map[string]any{"request_id": m.Request, "options": emptyIf(reflect.ValueOf(m.Options).IsZero()), "procedure": m.Procedure}
	case *wamp.Registered:
		return map[string]any{"request_id": m.Request, "registration_id": m.Registration}
	case *wamp.Unregister:
		return map[string]any{"request_id": m.Request, "registration_id": m.Registration}
	case *wamp.Unregistered:
		return map[string]any{"request_id": m.Request}
	case *wamp.Invocation:
		return map[string]any{"request_id": m.Request, "registration_id": m.Registration, "details": emptyIf(reflect.ValueOf(m.Details).IsZero())}
	case *wamp.Interrupt:
		return map[string]any{"request_id": m.Request, "options": emptyIf(m.Mode == wamp.CancelDefault && m.Reason == "")}
	case *wamp.Yield:
		return map[string]any{"request_id": m.Request, "options": emptyIf(reflect.ValueOf(m.Options).IsZero())}
	case *wamp.Error:
		return map[string]any{"request_type": m.RequestType, "request_id": m.Request, "details": orEmpty(m.Details), "error": m.Error}
	}
	return nil
}

func emptyIf(zero bool) any {
	if zero {
		return wamp.Dict{}
	}
	return "options that the sample does not have"
}

func pubsubAttributes(m wamp.Message) map[string]any {
	switch m := m.(type) {
	case *wamp.Publish:
		return map[string]any{"request_id": m.Request, "topic": m.Topic}
	case *wamp.Published:
		return map[string]any{"request_id": m.Request, "publication_id": m.Publication}
	case *wamp.Subscribe:
		return map[string]any{"request_id": m.Request, "options": emptyIf(m.Match == wamp.MatchExact), "topic": m.Topic}
	case *wamp.Subscribed:
		return map[string]any{"request_id": m.Request, "subscription_id": m.Subscription}
	case *wamp.Unsubscribe:
		return map[string]any{"request_id": m.Request, "subscription_id": m.Subscription}
	case *wamp.Unsubscribed:
		return map[string]any{"request_id": m.Request}
	case *wamp.Event:
		return map[string]any{"subscription": m.Subscription, "publication": m.Publication, "details": orEmpty(m.Details)}
	}
	return map[string]any{}
}

// TestVectorsValidation decodes the validation samples, which exist for
// PUBLISH, SUBSCRIBE and EVENT only. What must be accepted is; what must be
// refused is where the offending option is one that the dealer reads:
// acknowledge and match. The others belong to a broker, which wampgate is only
// for its own events: it answers their messages with an ERROR, whatever they
// hold.
func TestVectorsValidation(t *testing.T) {
	t.Parallel()
	accepted, refused := 0, 0
	for name, file := range vectorFiles(t) {
		for _, sample := range file.Samples {
			if sample.Message == nil {
				continue
			}
			bad := sample.ExpectedError != nil
			if bad && sample.ExpectedError.Contains != "acknowledge" && sample.ExpectedError.Contains != "match" {
				continue
			}
			if accepted++; bad {
				refused++
			}
			t.Run(name+"/"+sample.Description, func(t *testing.T) {
				t.Parallel()
				testValidation(t, sample)
			})
		}
	}
	if refused != 4 || accepted-refused != 39 {
		t.Errorf("%d samples to accept and %d to refuse, want 39 and 4", accepted-refused, refused)
	}
}

func testValidation(t *testing.T, sample vectorSample) {
	t.Helper()
	for _, s := range serializers() {
		frame := mustTranscode(t, s, sample.Message, wamp.JSON)
		_, err := wamp.NewDecoder(s).Decode(frame)
		switch {
		case sample.ExpectedError == nil && err != nil:
			t.Errorf("%v: Decode(%s): %v", s, sample.Message, err)
		case sample.ExpectedError != nil && !errors.Is(err, wamp.ErrMalformed):
			t.Errorf("%v: Decode(%s) = %v, want an error that wraps ErrMalformed", s, sample.Message, err)
		case sample.ExpectedError != nil && !strings.Contains(err.Error(), sample.ExpectedError.Contains):
			t.Errorf("%v: Decode(%s) = %v, want an error about %s", s, sample.Message, err, sample.ExpectedError.Contains)
		}
	}
}

func mustTranscode(tb testing.TB, to wamp.Serializer, value []byte, from wamp.Serializer) []byte {
	tb.Helper()
	b, err := wamp.Transcode(nil, to, value, from)
	if err != nil {
		tb.Fatalf("Transcode(%v, %q, %v): %v", to, value, from, err)
	}
	return b
}
