package gateway

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/wampgate/wampgate/gateway/problem"
)

// webSocket answers GET /ws. Whoever may not have a WebSocket is told so in a
// problem document like all others.
func (g *Gateway) webSocket(w http.ResponseWriter, r *http.Request) error {
	if r.ProtoMajor == 1 && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		h := &handshake{ResponseWriter: w}
		g.cfg.WebSocket.ServeHTTP(h, r)
		return h.problem()
	}
	p := problem.New(http.StatusUpgradeRequired, uriBadRequest, "WAMP is spoken here over a WebSocket, which begins with an Upgrade over HTTP/1.1; calls over HTTP go to POST /call/{procedure}")
	if r.ProtoMajor == 1 {
		p = p.With("Upgrade", "websocket").With("Connection", "Upgrade")
	}
	return p
}

// A handshake is the answer to a request for a WebSocket. What refuses it is
// held back.
type handshake struct {
	http.ResponseWriter

	refusal int // its status; 0: none
	text    bytes.Buffer
}

// maxRefusal is how many bytes of what a handshake is refused with are told.
const maxRefusal = 512

// WriteHeader implements [http.ResponseWriter].
func (h *handshake) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		h.refusal = status
		return
	}
	h.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (h *handshake) Write(data []byte) (int, error) {
	if h.refusal == 0 {
		return h.ResponseWriter.Write(data)
	}
	h.text.Write(data[:min(len(data), maxRefusal-h.text.Len())])
	return len(data), nil
}

// Unwrap lets [http.ResponseController] find the connection.
func (h *handshake) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// problem returns what the handshake was refused with, nil if it was not.
func (h *handshake) problem() error {
	text := strings.TrimSpace(h.text.String())
	switch h.refusal {
	case 0:
		return nil
	case http.StatusForbidden:
		return problem.New(h.refusal, uriForbidden, text)
	case http.StatusServiceUnavailable:
		return problem.New(h.refusal, uriOverloaded, text).Safe().RetrySoon()
	}
	return problem.New(h.refusal, uriBadRequest, text)
}
