package dealer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The bounds of a description.
const (
	maxDescription = 16 << 10 // bytes, in JSON
	maxSummary     = 1 << 10  // bytes
	maxName        = 256      // bytes of media types and names of headers
	maxLevels      = 32       // of dicts and lists: with more around it, it must still be a value
)

// A description is what a callee tells about its procedure, for those who call
// it over HTTP: the option "_http" of its REGISTER, or what it handed to
// gateway.describe.
type description struct {
	json []byte // an object; never changed
	safe bool   // a call changes nothing
}

// value returns the description as it was given.
func (x *description) value() any {
	v, _ := wamp.JSON.Value(x.json) // it was written here
	return v
}

// describeWith returns the description that v is, nil if it is empty or
// absent.
func describeWith(v any) (*description, refusal) {
	dict, ok := v.(wamp.Dict)
	if !ok && v != nil {
		return nil, invalid("_http must be a dict")
	}
	if len(dict) == 0 {
		return nil, refusal{}
	}
	if room := maxDescription; !fits(dict, &room) {
		return nil, tooLong()
	}
	if levels(dict) > maxLevels {
		return nil, invalid("_http has more than %d levels of dicts and lists", maxLevels)
	}
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		if fault := descriptionFault(key, dict[key]); fault != "" {
			return nil, invalid("_http: %s %s", quote(wamp.URI(key)), fault)
		}
	}
	json, err := wamp.JSON.AppendValue(nil, dict)
	switch {
	case err != nil:
		return nil, invalid("_http: %v", err)
	case len(json) > maxDescription: // numbers and escapes are longer in JSON
		return nil, tooLong()
	}
	safe, _ := dict.Bool("safe")
	return &description{json, safe}, refusal{}
}

// CheckDescription returns an error with what a REGISTER would be refused for
// that had the dict as its option "_http"; nil if it would not.
func CheckDescription(dict wamp.Dict) error {
	if _, why := describeWith(dict); why.uri != "" {
		return errors.New(why.text)
	}
	return nil
}

func tooLong() refusal { return invalid("_http has more than %d bytes", maxDescription) }

// levels returns how deep dicts and lists nest in v.
func levels(v any) int {
	deepest := 0
	switch v := v.(type) {
	case wamp.Dict:
		for _, value := range v {
			deepest = max(deepest, levels(value))
		}
	case []any:
		for _, value := range v {
			deepest = max(deepest, levels(value))
		}
	default:
		return 0
	}
	return deepest + 1
}

// fits takes the size of v off room, and reports whether there was enough. It
// looks at no more than that.
func fits(v any, room *int) bool {
	*room--
	switch v := v.(type) {
	case string:
		*room -= len(v)
	case []byte:
		*room -= len(v)
	case wamp.Dict:
		for key, value := range v {
			if *room -= len(key); *room < 0 || !fits(value, room) {
				return false
			}
		}
	case []any:
		for _, value := range v {
			if !fits(value, room) {
				return false
			}
		}
	}
	return *room >= 0
}

// descriptionFault returns what is wrong with an entry of a description. An
// entry that is not known is wrong too: it would do nothing, and most likely is
// misspelled.
func descriptionFault(key string, v any) string {
	switch key {
	case "safe", "respond":
		return faultUnless(isBool(v), "must be true or false")
	case "summary":
		return faultUnless(isText(v, maxSummary), fmt.Sprintf("must be a text of at most %d bytes", maxSummary))
	case "media":
		media, _ := v.(string)
		return faultUnless(isText(v, maxName) && strings.Contains(media, "/"), "must be a media type")
	case "cache", "max_body":
		return faultUnless(asID(v) != 0, "must be an integer above 0")
	case "deprecated", "sunset":
		return faultUnless(asID(v) != 0 || key == "deprecated" && isBool(v), "must be a time in seconds since 1970")
	case "headers":
		return faultUnless(isList(v), "must be a list of names of headers")
	case "schema":
		return dictFault(v, []string{"args", "kwargs", "progress", "result"}, isSchema, "a JSON Schema")
	case "stream":
		return dictFault(v, []string{"in", "out"}, isBool, "true or false")
	case "errors":
		return dictFault(v, nil, isErrorStatus, "a status from 400 to 599")
	}
	return "is not known; these are: cache, deprecated, errors, headers, max_body, media, respond, safe, schema, stream, summary, sunset"
}

func faultUnless(ok bool, fault string) string {
	if ok {
		return ""
	}
	return fault
}

// dictFault checks a dict whose values are all of a kind; its keys are the
// given ones, or URIs if there are none.
func dictFault(v any, keys []string, valid func(any) bool, kind string) string {
	dict, ok := v.(wamp.Dict)
	if !ok {
		return "must be a dict"
	}
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		switch {
		case keys == nil && !wamp.URI(key).Valid():
			return "has a key that is no URI: " + quote(wamp.URI(key))
		case keys != nil && !slices.Contains(keys, key):
			return "has an unknown key: " + quote(wamp.URI(key))
		case !valid(dict[key]):
			return quote(wamp.URI(key)) + " must be " + kind
		}
	}
	return ""
}

func isBool(v any) bool {
	_, ok := v.(bool)
	return ok
}

func isText(v any, limit int) bool {
	s, ok := v.(string)
	return ok && s != "" && len(s) <= limit
}

func isList(v any) bool {
	list, ok := v.([]any)
	return ok && !slices.ContainsFunc(list, func(v any) bool { return !isText(v, maxName) })
}

// isSchema reports whether v may be a JSON Schema, which is an object or a
// bool.
func isSchema(v any) bool {
	_, ok := v.(wamp.Dict)
	return ok || isBool(v)
}

func isErrorStatus(v any) bool {
	status := asID(v)
	return status >= 400 && status <= 599
}

// readDescription returns the description of r that v is; r is nil if it is
// yet to be made.
func (d *Dealer) readDescription(r *registration, v any) (*description, refusal) {
	x, why := describeWith(v)
	if why.uri == "" && d.descriptions+x.size()-r.descriptionSize() > d.config.MaxDescriptions {
		why = refusal{wamp.ErrUnavailable, "the realm is full of descriptions"}
	}
	return x, why
}

func (x *description) size() int {
	if x == nil {
		return 0
	}
	return len(x.json)
}

func (r *registration) descriptionSize() int {
	if r == nil {
		return 0
	}
	return r.about.size()
}

// describe makes x the description of r: of several callees the last one has
// the word.
func (d *Dealer) describe(r *registration, x *description) {
	d.descriptions += x.size() - r.about.size()
	d.changes++
	r.about = x
}
