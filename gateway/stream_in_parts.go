package gateway

import (
	"errors"
	"io"
	"mime/multipart"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// maxPartHead is how many bytes may lie between the contents of two parts, or
// behind the last one.
const maxPartHead = 64 << 10

// A partFramer gives out the parts of a multipart body: for each one its name,
// filename and content type as keyword arguments, then its content in chunks.
type partFramer struct {
	boundary string
	chunks   chunker
}

func (f partFramer) read(body *uploadBody, emit func(wamp.Payload) error) error {
	parts := newMultipart(body, f.boundary)
	for n := 1; ; n++ {
		body.inFrame, body.budget = true, maxPartHead
		part, err := parts.NextRawPart()
		if err == io.EOF { // the closing boundary
			return partError(n, drainBody(body))
		}
		if err != nil {
			return partError(n, err)
		}
		body.budget = 0
		if err := f.part(body, part, emit); err != nil {
			return partError(n, err)
		}
	}
}

// part gives out one part.
func (f partFramer) part(body *uploadBody, part *multipart.Part, emit func(wamp.Payload) error) error {
	head, err := wamp.NewPayload(wamp.MsgPack, nil, wamp.Dict{
		"name":         part.FormName(),
		"filename":     part.FileName(),
		"content_type": part.Header.Get("Content-Type"),
	})
	if err != nil {
		return err
	}
	if err := emit(head); err != nil {
		return err
	}
	return f.chunks.cut(body, part, emit)
}

// drainBody reads what follows the closing boundary, which means nothing.
func drainBody(body *uploadBody) error {
	_, err := io.Copy(io.Discard, body)
	return err
}

// partError returns err if it says all, else the problem of part n.
func partError(n int, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*problem.Problem](err); ok || errors.Is(err, errOver) {
		return err
	}
	if errors.Is(err, errHeadTooLong) {
		return badFrame(n, errHeadTooLong.Error())
	}
	return badFrame(n, "the body is not the multipart/form-data that its Content-Type announces, or was cut off")
}
