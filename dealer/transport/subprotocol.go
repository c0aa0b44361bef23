package transport

import (
	"net/http"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Subprotocols returns the WebSocket subprotocols spoken here (spec, section
// "WebSocket Transport").
func Subprotocols() []string {
	return []string{Subprotocol(wamp.JSON), Subprotocol(wamp.MsgPack), Subprotocol(wamp.CBOR)}
}

// Subprotocol returns the name of WAMP over WebSocket with serializer s, such
// as "wamp.2.json".
func Subprotocol(s wamp.Serializer) string { return "wamp.2." + s.String() }

// serializerOf returns the serializer of a subprotocol.
func serializerOf(subprotocol string) (wamp.Serializer, bool) {
	for _, s := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		if Subprotocol(s) == subprotocol {
			return s, true
		}
	}
	return 0, false
}

// negotiate returns the first subprotocol in the client's order that is spoken
// here.
func negotiate(h http.Header) (string, wamp.Serializer, bool) {
	for _, offered := range tokens(h, "Sec-WebSocket-Protocol") {
		if s, ok := serializerOf(offered); ok {
			return offered, s, true
		}
	}
	return "", 0, false
}

// isUpgrade reports whether a request asks for a WebSocket.
func isUpgrade(h http.Header) bool {
	return slices.ContainsFunc(tokens(h, "Upgrade"), func(t string) bool { return strings.EqualFold(t, "websocket") })
}

// tokens returns the elements of a header's comma-separated lists.
func tokens(h http.Header, name string) []string {
	var all []string
	for _, line := range h.Values(name) {
		for token := range strings.SplitSeq(line, ",") {
			all = append(all, strings.TrimSpace(token))
		}
	}
	return all
}
