package gateway

import (
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/wampgate/wampgate/gateway/problem"
)

// TestUploadBodyErrors tells a body that broke off from a client that left,
// which the context of the request tells.
func TestUploadBodyErrors(t *testing.T) {
	t.Parallel()
	for text, over := range map[string]bool{
		"client disconnected":                true,
		"stream error: stream ID 1; CANCEL":  true,
		"request declared a length of 9":     false,
		io.ErrUnexpectedEOF.Error():          false,
		"client disconnected from something": false,
	} {
		b := newUploadBody(iotest.ErrReader(errors.New(text)), func(error) {})
		_, err := b.Read(make([]byte, 8))
		b.close()
		p, broke := errors.AsType[*problem.Problem](err)
		if errors.Is(err, errOver) != over || broke == over || broke && p.URI != uriUploadTruncated {
			t.Errorf("%q: Read = %v, want errOver %t", text, err, over)
		}
	}
}
