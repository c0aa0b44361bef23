// Package bind turns requests for imported operations into the arguments of
// calls: the values of parameters from path, query and header fields, and the
// arguments from these and the body.
//
// It checks nothing but that text can be read as what its schema wants; the
// schemas themselves are for openapi/validate.
package bind

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/openapi"
)

// bodyName is the keyword argument that a body becomes that is no object.
const bodyName = "body"

// A Value is that of a parameter in one request.
type Value struct {
	Given bool
	Any   any // plain: maps, lists, strings, booleans, nil and json.Number
}

// A Request is what arguments are made of beside the body.
type Request struct {
	Method string
	URL    string      // as the client sent it
	Path   []string    // what stands for the template's parameters, in their order, still escaped
	Query  string      // still escaped
	Header http.Header // only read
}

// A Body is that of a request, as one encoded value.
type Body struct {
	Given      bool
	Serializer wamp.Serializer
	Raw        []byte
}

// A Binding makes arguments for one operation. It may be used by many
// goroutines at once.
type Binding struct {
	op       *openapi.Operation
	path     []string // names of the template's parameters, in order
	explicit bool
}

// New returns the binding of an operation, which it keeps.
func New(op *openapi.Operation) *Binding {
	return &Binding{op: op, path: op.PathNames(), explicit: op.Call.Explicit()}
}

// Payload returns the arguments of a call. values are those of the operation's
// parameters; body must have been checked to be well-formed. What is wrong is
// returned as violations. The payload may alias body.
func (b *Binding) Payload(r *Request, values []Value, body Body) (wamp.Payload, []openapi.Violation) {
	a := arguments{Binding: b, request: r, values: values, body: body}
	if !body.Given {
		a.body.Serializer = wamp.JSON
	}
	a.payload.Serializer = a.body.Serializer
	if b.explicit {
		a.explicitly()
	} else {
		a.byName()
	}
	return a.payload, a.violations
}

// arguments are those of one call, in the making.
type arguments struct {
	*Binding
	request    *Request
	values     []Value
	body       Body
	payload    wamp.Payload
	violations []openapi.Violation
}

// byName makes every parameter a keyword argument, and the members of the body
// too.
func (a *arguments) byName() {
	s := a.payload.Serializer
	var entries []wamp.Entry
	for i := range a.op.Parameters {
		if a.values[i].Given {
			entries = append(entries, wamp.Entry{Key: a.op.Parameters[i].Name, Value: a.encode(a.values[i].Any)})
		}
	}
	switch {
	case !a.body.Given:
	case s.Kind(a.body.Raw) != wamp.KindMap || a.op.Call.WholeBody:
		entries = append(entries, wamp.Entry{Key: bodyName, Value: a.body.Raw})
	default:
		for e, err := range s.Entries(a.body.Raw) {
			if err != nil {
				a.violations = append(a.violations, openapi.Violation{Detail: "cannot be read"})
				return
			}
			if in, twice := a.parameter(e.Key); twice {
				a.violations = append(a.violations, openapi.Violation{
					Pointer: "/" + openapi.EscapeToken(e.Key), Detail: "has the name of a " + in + " parameter",
				})
			}
			entries = append(entries, e)
		}
	}
	if len(entries) > 0 {
		a.payload.Kwargs = s.AppendMap(nil, entries...)
	}
}

// parameter returns where a parameter with that name is.
func (a *arguments) parameter(name string) (in string, ok bool) {
	for i := range a.op.Parameters {
		if p := &a.op.Parameters[i]; p.Name == name && p.In != openapi.InCookie {
			return p.In, true
		}
	}
	return "", false
}

// explicitly makes the arguments that the document names. One that is not in
// the request is left out of the keyword arguments and null among the others,
// unless nothing follows it.
func (a *arguments) explicitly() {
	s := a.payload.Serializer
	var list [][]byte
	last := 0
	for i, t := range a.op.Call.Args {
		v, ok := a.evaluate(t)
		if ok {
			last = i + 1
		} else {
			v = a.encode(nil)
		}
		list = append(list, v)
	}
	if last > 0 {
		a.payload.Args = s.AppendList(nil, list[:last]...)
	}
	var entries []wamp.Entry
	for name, t := range a.op.Call.Kwargs {
		if v, ok := a.evaluate(t); ok {
			entries = append(entries, wamp.Entry{Key: name, Value: v})
		}
	}
	if len(entries) > 0 {
		a.payload.Kwargs = s.AppendMap(nil, entries...)
	}
}

// evaluate returns what a template comes to, encoded; false if it is a part
// of the request that is not there.
func (a *arguments) evaluate(t openapi.Template) ([]byte, bool) {
	switch {
	case t.Parts == nil:
		return a.encode(t.Value), true
	case len(t.Parts) == 1 && t.Parts[0].Expression != nil:
		return a.expression(*t.Parts[0].Expression)
	}
	var text strings.Builder
	for _, p := range t.Parts {
		text.WriteString(p.Text)
		if p.Expression != nil {
			text.WriteString(a.text(*p.Expression))
		}
	}
	return a.encode(text.String()), true
}

// expression returns a part of the request.
func (a *arguments) expression(e openapi.Expression) ([]byte, bool) {
	if e.Place == openapi.PlaceBody {
		return a.inBody(e.Name)
	}
	v := a.value(e)
	if !v.Given {
		return nil, false
	}
	return a.encode(v.Any), true
}

// value returns a part of the request that is not its body.
func (a *arguments) value(e openapi.Expression) Value {
	switch e.Place {
	case openapi.PlaceURL:
		return Value{true, a.request.URL}
	case openapi.PlaceMethod:
		return Value{true, a.request.Method}
	}
	for i := range a.op.Parameters {
		p := &a.op.Parameters[i]
		if p.In == e.Place && (p.Name == e.Name || p.In == openapi.InHeader && strings.EqualFold(p.Name, e.Name)) {
			return a.values[i]
		}
	}
	if fields := a.request.Header.Values(e.Name); e.Place == openapi.InHeader && len(fields) > 0 {
		text := strings.ToValidUTF8(strings.Join(fields, ", "), "\uFFFD")
		return Value{true, text}
	}
	return Value{}
}

// inBody returns what a JSON pointer leads to in the body, as it was sent.
func (a *arguments) inBody(pointer string) ([]byte, bool) {
	if !a.body.Given {
		return nil, false
	}
	v, s := a.body.Raw, a.body.Serializer
	for _, token := range openapi.Tokens(pointer) {
		var ok bool
		if v, ok = child(s, v, token); !ok {
			return nil, false
		}
	}
	return v, true
}

// child returns the member or element of an encoded value.
func child(s wamp.Serializer, v []byte, token string) ([]byte, bool) {
	switch s.Kind(v) {
	case wamp.KindMap:
		for e, err := range s.Entries(v) {
			if err == nil && e.Key == token {
				return e.Value, true
			}
		}
	case wamp.KindList:
		i := 0
		for e, err := range s.Elements(v) {
			if err == nil && strconv.Itoa(i) == token {
				return e, true
			}
			i++
		}
	}
	return nil, false
}

// text returns a part of the request as text; what is not there is empty.
func (a *arguments) text(e openapi.Expression) string {
	raw, ok := a.expression(e)
	if !ok {
		return ""
	}
	if a.payload.Serializer != wamp.JSON {
		var err error
		if raw, err = wamp.Transcode(nil, wamp.JSON, raw, a.payload.Serializer); err != nil {
			return ""
		}
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// encode encodes a plain value. Such values have a form in every serializer.
func (a *arguments) encode(v any) []byte {
	raw := JSON(v)
	if a.payload.Serializer == wamp.JSON {
		return raw
	}
	other, err := wamp.Transcode(nil, a.payload.Serializer, raw, wamp.JSON)
	if err != nil {
		a.violations = append(a.violations, openapi.Violation{Detail: "cannot be passed on"})
	}
	return other
}

// JSON returns a plain value in JSON, with numbers as they were written.
func JSON(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // plain values have a form in JSON
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// textFault says what keeps text from being an argument.
func textFault(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case strings.HasPrefix(s, "\x00"):
		return "must not begin with a NUL, which marks bytes"
	}
	return ""
}
