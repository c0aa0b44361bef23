package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxFields is how many fields a form may have.
const maxFields = 1000

// fields are the keyword arguments of a form, in order of appearance. A
// repeated name collects a list.
type fields struct {
	types  map[string]fieldType // of those that are no text
	names  []string
	values map[string][]any // text, typed fields, and files as dicts
}

// A typedField is a field that is no text, in JSON.
type typedField []byte

func (f *fields) add(name string, value any) error {
	if f.values == nil {
		f.values = make(map[string][]any)
	}
	if !utf8.ValidString(name) {
		return badBody("a name in the form is not valid UTF-8")
	}
	if _, known := f.values[name]; !known {
		f.names = append(f.names, name)
	}
	if len(f.values[name]) >= maxFields || len(f.names) > maxFields {
		return badBody(fmt.Sprintf("the form has more than %d fields", maxFields))
	}
	f.values[name] = append(f.values[name], value)
	return nil
}

// addText adds a field as the schema of the procedure wants it.
func (f *fields) addText(name, text string) error {
	typed, err := convert(f.types, name, text)
	switch {
	case err != nil:
		return err
	case typed != nil:
		return f.add(name, typedField(typed))
	}
	return f.add(name, text)
}

// payload returns the fields as keyword arguments.
func (f *fields) payload() (wamp.Payload, error) {
	entries := make([]wamp.Entry, 0, len(f.names))
	for _, name := range f.names {
		list := make([][]byte, len(f.values[name]))
		for i, value := range f.values[name] {
			var err error
			if list[i], err = encodeField(value); err != nil {
				return wamp.Payload{}, badBody("the form cannot be passed on").Because(err)
			}
		}
		value := list[0]
		if len(list) > 1 || f.types[name].name == "array" {
			value = wamp.MsgPack.AppendList(nil, list...)
		}
		entries = append(entries, wamp.Entry{Key: name, Value: value})
	}
	return wamp.Payload{Serializer: wamp.MsgPack, Kwargs: wamp.MsgPack.AppendMap(nil, entries...)}, nil
}

// encodeField returns a field in MessagePack.
func encodeField(value any) ([]byte, error) {
	if typed, ok := value.(typedField); ok {
		return wamp.Transcode(nil, wamp.MsgPack, typed, wamp.JSON)
	}
	return wamp.MsgPack.AppendValue(nil, value)
}

// formPayload makes keyword arguments of an application/x-www-form-urlencoded
// body: text, or what the procedure's schema says, or lists where a name is
// repeated. JSON that came as a
// form, as curl -d sends it, is not guessed at: any page may send forms
// across origins.
func formPayload(body []byte, types map[string]fieldType) (wamp.Payload, error) {
	if body[0] == '[' || body[0] == '{' {
		return wamp.Payload{}, badMediaType("the body was sent as a form but looks like JSON: use curl --json (7.82+) or -H 'Content-Type: application/json'")
	}
	f := fields{types: types}
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair == "" {
			continue
		}
		name, value, err := formField(pair)
		if err != nil {
			return wamp.Payload{}, err
		}
		if err := f.addText(name, value); err != nil {
			return wamp.Payload{}, err
		}
	}
	return f.payload()
}

// formField decodes one name=value.
func formField(pair string) (name, value string, err error) {
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err == nil {
		value, err = url.QueryUnescape(value)
	}
	switch {
	case err != nil:
		return "", "", badBody(fmt.Sprintf("the form has a bad percent escape in %s", quoteShort(pair)))
	case !utf8.ValidString(value):
		return "", "", badBody(fmt.Sprintf("the field %s is not valid UTF-8", quoteShort(name)))
	}
	return name, value, nil
}

// multipartPayload makes keyword arguments of a multipart/form-data body. A
// file becomes {"filename","content_type","data"}.
func multipartPayload(body []byte, boundary string, types map[string]fieldType) (wamp.Payload, error) {
	f := fields{types: types}
	parts := newMultipart(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return f.payload()
		}
		if err != nil {
			return wamp.Payload{}, badBody("the multipart body is broken, or its last boundary is missing").Because(err)
		}
		if err := f.addPart(part); err != nil {
			return wamp.Payload{}, err
		}
	}
}

// newMultipart reads the parts of a multipart body. Package multipart takes a
// body that ends within the head of a part for one that is complete; here
// NextRawPart returns io.EOF at the closing boundary only.
func newMultipart(body io.Reader, boundary string) *multipart.Reader {
	return multipart.NewReader(io.MultiReader(body, strings.NewReader("\r\n"), cutOff{}), boundary)
}

// cutOff is what follows a body that should have ended before.
type cutOff struct{}

// Read implements io.Reader.
func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// addPart adds one part of a multipart body.
func (f *fields) addPart(part *multipart.Part) error {
	name := part.FormName()
	if name == "" {
		return badBody("a part of the multipart body has no name")
	}
	data, err := io.ReadAll(part)
	if err != nil {
		return badBody(fmt.Sprintf("the part %s is cut short", quoteShort(name))).Because(err)
	}
	file := part.FileName()
	switch {
	case file != "" && utf8.ValidString(file):
		return f.add(name, wamp.Dict{"filename": file, "content_type": part.Header.Get("Content-Type"), "data": data})
	case file == "" && utf8.Valid(data):
		return f.addText(name, string(data))
	}
	return badBody(fmt.Sprintf("the part %s is not valid UTF-8", quoteShort(name)))
}
