package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A callObject is a call that is written as one JSON object: procedure, args,
// kwargs and options. So are the bodies of Crossbar's bridge, and the lines of
// a batch, which have an id too.
type callObject struct {
	request *request
	hasID   bool   // a member id may be there
	id      []byte // JSON, or nil
}

// maxCallID is how many bytes the id of a call in a batch may have in JSON.
const maxCallID = 256

// read understands the object. Where it fails the id is there, if it came
// before the fault. The error is a problem.
func (o *callObject) read(text []byte) error {
	whole, err := payloadOf(text, wamp.JSON, false)
	if err != nil {
		return err
	}
	if whole.Kwargs == nil {
		return badBody("the call must be an object with procedure, and perhaps args, kwargs and options")
	}
	o.request.payload.Serializer = wamp.JSON
	if o.hasID {
		if err := o.readID(whole.Kwargs); err != nil {
			return err
		}
	}
	for entry, err := range wamp.JSON.Entries(whole.Kwargs) {
		if err != nil {
			return malformedBody(wamp.JSON, err)
		}
		if err := o.member(entry); err != nil {
			return err
		}
	}
	if !o.request.procedure.Valid() {
		return invalidURI(string(o.request.procedure))
	}
	return nil
}

// readID looks for the id before anything else, so that whatever is wrong with
// the rest can be said under it.
func (o *callObject) readID(object []byte) error {
	for entry, err := range wamp.JSON.Entries(object) {
		if err != nil {
			return malformedBody(wamp.JSON, err)
		}
		if entry.Key != "id" {
			continue
		}
		if first := entry.Value[0]; len(entry.Value) > maxCallID || first != '"' && first != '-' && (first < '0' || first > '9') {
			return badBody(fmt.Sprintf("the member id must be text or a number, of at most %d bytes", maxCallID))
		}
		o.id = appendCompact(nil, entry.Value)
		return nil
	}
	return nil
}

// member takes one member of the object.
func (o *callObject) member(entry wamp.Entry) error {
	q := o.request
	kinds := map[string]wamp.Kind{"procedure": wamp.KindString, "args": wamp.KindList, "kwargs": wamp.KindMap, "options": wamp.KindMap}
	want, known := kinds[entry.Key]
	switch {
	case entry.Key == "id" && o.hasID:
		return nil
	case !known:
		return badBody(fmt.Sprintf("the call may hold procedure, args, kwargs and options, not %s", quoteShort(entry.Key)))
	}
	if got := wamp.JSON.Kind(entry.Value); got != want {
		return badBody(fmt.Sprintf("the member %s must be %v, not %v", entry.Key, want, got))
	}
	switch entry.Key {
	case "procedure":
		return json.Unmarshal(entry.Value, &q.procedure)
	case "args":
		q.payload.Args = entry.Value
	case "kwargs":
		q.payload.Kwargs = entry.Value
	case "options":
		return o.options(entry.Value)
	}
	return nil
}

// optionNames lists the options that a call with a single answer has; the ones
// of the query that are about bodies and answers make no sense there. A line of
// a batch has no header fields of its own, and so has options for them.
func (o *callObject) optionNames() []string {
	names := []string{"timeout", "disclose_me", "rkey", "shard_key", "runmode", "trust", "trust_level", "priority", "delay", "not_before", "expiry"}
	if o.hasID {
		names = append(names, "respond_async", "idempotency_key")
	}
	return names
}

// options reads the options of an object, which mean what they mean in a query
// or a header.
func (o *callObject) options(object []byte) error {
	q := o.request
	for entry, err := range wamp.JSON.Entries(object) {
		if err != nil {
			return malformedBody(wamp.JSON, err)
		}
		if !slices.Contains(o.optionNames(), entry.Key) {
			return badOption("the option %s is not offered here, but %s are; POST /call/{procedure} has more",
				quoteShort(entry.Key), strings.Join(o.optionNames(), ", "))
		}
		name, value, err := objectOption(entry)
		switch {
		case err != nil:
		case name == "respond_async":
			q.prefer.async, err = parseBool(value)
		case name == "idempotency_key":
			q.once, err = checkKeyText(value)
		default:
			err = q.set(name, value, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// objectOption returns an option as a query would have it.
func objectOption(entry wamp.Entry) (name, value string, err error) {
	name, value = entry.Key, string(entry.Value)
	switch kind := wamp.JSON.Kind(entry.Value); {
	case slices.Contains([]string{"disclose_me", "respond_async"}, name) && value != "true" && value != "false":
		return "", "", badOption("the option %s must be true or false", name)
	case name == "idempotency_key" && kind != wamp.KindString:
		return "", "", badOption("the option idempotency_key must be text")
	case kind == wamp.KindString:
		if json.Unmarshal(entry.Value, &value) != nil {
			return "", "", badOption("the option %s is no text", name)
		}
	case kind == wamp.KindList || kind == wamp.KindMap || value == "null":
		return "", "", badOption("the option %s must be text, a number, true or false", name)
	case slices.Contains([]string{"rkey", "shard_key"}, name):
		name += ":" // a number is not the text of it
	case slices.Contains([]string{"timeout", "delay", "expiry"}, name):
		if whole, fraction, ok := strings.Cut(value, "."); ok && strings.Trim(fraction, "0") == "" {
			value = whole // 500.0 is 500 in JSON, and some languages write nothing else
		}
	}
	return name, value, nil
}
