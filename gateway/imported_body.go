package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/bind"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/openapi"
)

// readBody understands the body of a request, which is in b, and holds it
// against its schema. The error is a problem: a body that is not well-formed,
// or of a type that the operation does not take.
func (rt *importedRoute) readBody(q *request, b *buffer, contentType string) (bind.Body, []openapi.Violation, error) {
	raw := b.body()
	switch {
	case len(raw) == 0 && rt.Body != nil && rt.Body.Required:
		return bind.Body{}, []openapi.Violation{{Detail: "the body is missing"}}, nil
	case len(raw) == 0:
		return bind.Body{}, nil, nil
	case rt.Body == nil:
		return bind.Body{}, nil, problem.New(http.StatusBadRequest, uriBadRequest, "the operation takes no body")
	}
	var content openapi.Content
	i := 0
	if len(rt.Body.Content) > 0 {
		if i = rt.content(contentType); i < 0 {
			return bind.Body{}, nil, rt.notTaken(contentType)
		}
		content = rt.Body.Content[i]
	}
	m := q.body
	if m.body.binary() && content.Shape != nil && content.Shape.Kinds == openapi.String {
		m.body = bodyBytes // the document takes it as it is
	}
	body, tree, err := decodeBody(m, raw, content.Shape)
	if err != nil || content.Schema == "" || tree == nil {
		return body, nil, err
	}
	return body, rt.checks.Body[i].Check(tree.v), nil
}

// notTaken is the problem of a body whose type the operation does not know.
func (rt *importedRoute) notTaken(contentType string) *problem.Problem {
	var media []string
	for _, c := range rt.Body.Content {
		media = append(media, c.Media)
	}
	list := strings.Join(media, ", ")
	if contentType == "" {
		return badMediaType("the Content-Type is missing; the operation takes " + list)
	}
	return badMediaType("the Content-Type is " + quoteShort(contentType) + "; the operation takes " + list)
}

// A plainTree is a body as its schema sees it.
type plainTree struct{ v any }

// decodeBody makes one value of a body. Bytes have no tree.
func decodeBody(m mediaType, raw []byte, shape *openapi.Shape) (bind.Body, *plainTree, error) {
	switch m.body {
	case bodyJSON, bodyMsgPack, bodyCBOR:
		return decodeValue(m.body.serializer(), raw)
	case bodyForm:
		return decodeForm(raw, shape)
	case bodyMultipart:
		return decodeMultipart(raw, m.boundary, shape)
	}
	if utf8.Valid(raw) && m.body != bodyBytes {
		text := string(raw)
		return bind.Body{Given: true, Serializer: wamp.JSON, Raw: bind.JSON(text)}, &plainTree{text}, nil
	}
	value, err := wamp.MsgPack.AppendValue(nil, raw)
	return bind.Body{Given: true, Serializer: wamp.MsgPack, Raw: value}, nil, err
}

// decodeValue checks a body that holds an encoded value.
func decodeValue(s wamp.Serializer, raw []byte) (bind.Body, *plainTree, error) {
	if _, err := payloadOf(raw, s, false); err != nil {
		return bind.Body{}, nil, err
	}
	if s == wamp.JSON {
		raw = bytes.Trim(raw, " \t\r\n")
	}
	text, err := transcoded(raw, wamp.JSON, s)
	if err != nil {
		return bind.Body{}, nil, malformedBody(s, err)
	}
	tree, err := bind.Tree(text)
	if err != nil {
		return bind.Body{}, nil, malformedBody(wamp.JSON, err)
	}
	return bind.Body{Given: true, Serializer: s, Raw: raw}, &plainTree{tree}, nil
}

// decodeForm makes an object of an application/x-www-form-urlencoded body, with
// the types that its schema has.
func decodeForm(raw []byte, shape *openapi.Shape) (bind.Body, *plainTree, error) {
	if raw[0] == '[' || raw[0] == '{' {
		_, err := formPayload(raw, nil)
		return bind.Body{}, nil, err
	}
	var pairs [][2]string
	for pair := range strings.SplitSeq(string(raw), "&") {
		if pair == "" {
			continue
		}
		if len(pairs) == maxFields {
			return bind.Body{}, nil, badBody("the form has too many fields")
		}
		name, value, err := formField(pair)
		if err != nil {
			return bind.Body{}, nil, err
		}
		pairs = append(pairs, [2]string{name, value})
	}
	tree, fault := bind.Form(shape, pairs)
	if fault != "" {
		return bind.Body{}, nil, badBody(fault)
	}
	return bind.Body{Given: true, Serializer: wamp.JSON, Raw: bind.JSON(tree)}, &plainTree{tree}, nil
}

// decodeMultipart makes an object of a multipart/form-data body. A file is
// passed on as bytes, with its name and type; its schema sees it as text.
func decodeMultipart(raw []byte, boundary string, shape *openapi.Shape) (bind.Body, *plainTree, error) {
	var f fields
	parts := newMultipart(bytes.NewReader(raw), boundary)
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bind.Body{}, nil, badBody("the multipart body is broken, or its last boundary is missing").Because(err)
		}
		if err := f.addPart(part); err != nil {
			return bind.Body{}, nil, err
		}
	}
	tree := map[string]any{}
	var entries []wamp.Entry
	for _, name := range f.names {
		values, seen, err := partValues(f.values[name], bind.Property(shape, name))
		if err != nil {
			return bind.Body{}, nil, err
		}
		tree[name] = seen
		entries = append(entries, wamp.Entry{Key: name, Value: values})
	}
	return bind.Body{Given: true, Serializer: wamp.MsgPack, Raw: wamp.MsgPack.AppendMap(nil, entries...)}, &plainTree{tree}, nil
}

// partValues encodes the parts of one name: one value, or a list of them.
func partValues(parts []any, shape *openapi.Shape) (encoded []byte, seen any, err error) {
	isList := len(parts) > 1 || shape != nil && shape.Kinds.Has(openapi.Array)
	of := shape
	if isList && shape != nil && shape.Items != nil {
		of = shape.Items
	}
	var list [][]byte
	var all []any
	for _, part := range parts {
		value, tree, err := partValue(part, of)
		if err != nil {
			return nil, nil, err
		}
		list, all = append(list, value), append(all, tree)
	}
	if isList {
		return wamp.MsgPack.AppendList(nil, list...), all, nil
	}
	return list[0], all[0], nil
}

// partValue encodes one part: a file, JSON where an object is wanted, or text.
func partValue(part any, shape *openapi.Shape) ([]byte, any, error) {
	text, isText := part.(string)
	if !isText {
		file, _ := part.(wamp.Dict)
		data, _ := file["data"].([]byte)
		value, err := wamp.MsgPack.AppendValue(nil, part)
		return value, string(data), err
	}
	tree, fault := bind.Text(shape, text)
	if fault != "" {
		return nil, nil, badBody("a part of the multipart body " + fault)
	}
	value, err := wamp.Transcode(nil, wamp.MsgPack, bind.JSON(tree), wamp.JSON)
	return value, tree, err
}
