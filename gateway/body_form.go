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
	names  []string
	values map[string][]any
}

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

// payload returns the fields as keyword arguments.
func (f *fields) payload(s wamp.Serializer) (wamp.Payload, error) {
	entries := make([]wamp.Entry, 0, len(f.names))
	for _, name := range f.names {
		var value any = f.values[name]
		if len(f.values[name]) == 1 {
			value = f.values[name][0]
		}
		b, err := s.AppendValue(nil, value)
		if err != nil {
			return wamp.Payload{}, badBody("the form cannot be passed on").Because(err)
		}
		entries = append(entries, wamp.Entry{Key: name, Value: b})
	}
	return wamp.Payload{Serializer: s, Kwargs: s.AppendMap(nil, entries...)}, nil
}

// formPayload makes keyword arguments of an application/x-www-form-urlencoded
// body: text, or lists of text where a name is repeated. JSON that came as a
// form, as curl -d sends it, is not guessed at: any page may send forms
// across origins.
func formPayload(body []byte) (wamp.Payload, error) {
	if body[0] == '[' || body[0] == '{' {
		return wamp.Payload{}, badMediaType("the body was sent as a form but looks like JSON: use curl --json (7.82+) or -H 'Content-Type: application/json'")
	}
	var f fields
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair == "" {
			continue
		}
		name, value, err := formField(pair)
		if err != nil {
			return wamp.Payload{}, err
		}
		if err := f.add(name, value); err != nil {
			return wamp.Payload{}, err
		}
	}
	return f.payload(wamp.MsgPack)
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
func multipartPayload(body []byte, boundary string) (wamp.Payload, error) {
	var f fields
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return f.payload(wamp.MsgPack)
		}
		if err != nil {
			return wamp.Payload{}, badBody("the multipart body is broken, or its last boundary is missing").Because(err)
		}
		if err := f.addPart(part); err != nil {
			return wamp.Payload{}, err
		}
	}
}

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
		return f.add(name, string(data))
	}
	return badBody(fmt.Sprintf("the part %s is not valid UTF-8", quoteShort(name)))
}
