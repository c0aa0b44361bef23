package transport

import (
	"net/http"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// batchedSuffix ends the names of the batched variants.
const batchedSuffix = ".batched"

// Subprotocols returns the WebSocket subprotocols spoken here (spec, section
// "WebSocket Transport").
func Subprotocols() []string {
	var plain, batched []string
	for _, s := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		plain = append(plain, Subprotocol(s))
		batched = append(batched, Subprotocol(s)+batchedSuffix)
	}
	return append(plain, batched...)
}

// Subprotocol returns the name of WAMP over WebSocket with serializer s, such
// as "wamp.2.json".
func Subprotocol(s wamp.Serializer) string { return "wamp.2." + s.String() }

// serializerOf returns the serializer and the framing of a subprotocol.
func serializerOf(subprotocol string) (s wamp.Serializer, f framing, ok bool) {
	plain, isBatched := strings.CutSuffix(subprotocol, batchedSuffix)
	if isBatched {
		f = batched
	}
	for _, s := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		if Subprotocol(s) == plain {
			return s, f, true
		}
	}
	return 0, 0, false
}

// negotiate returns the first subprotocol in the client's order that is spoken
// here, and the format that it stands for.
func negotiate(h http.Header, limit int) (subprotocol string, f format, ok bool) {
	for _, offered := range tokens(h, "Sec-WebSocket-Protocol") {
		if s, framing, ok := serializerOf(offered); ok {
			return offered, newFormat(s, framing, limit), true
		}
	}
	return "", format{}, false
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
