package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// A protocolError is a breach of RFC 6455, or of the rules for RawSocket, after
// which the input cannot be trusted to consist of frames.
type protocolError string

func (e protocolError) Error() string { return string(e) }

const (
	errReserved          protocolError = "reserved bits are set in a frame"
	errOpcode            protocolError = "a frame has an unknown opcode"
	errUnmasked          protocolError = "a frame is not masked"
	errFragmentedControl protocolError = "a control frame is fragmented"
	errLongControl       protocolError = "a control frame has more than 125 bytes"
	errNegative          protocolError = "the length of a frame is negative"
	errContinuation      protocolError = "a continuation frame continues nothing"
	errInterleaved       protocolError = "a message begins inside another one"
	errPrefixType        protocolError = "a frame has an unknown type"
	errPrefixLength      protocolError = "a frame has more than 16 MiB"
	errCloseStatus       protocolError = "a close frame has no valid status"
	errCloseReason       protocolError = "the reason in a close frame is not UTF-8"
)

// status returns the status to close the connection with.
func (e protocolError) status() websocket.StatusCode {
	if e == errCloseReason {
		return websocket.StatusInvalidFramePayloadData
	}
	return websocket.StatusProtocolError
}

// errFrameTooLarge stops the reading of a message that is over the limit.
var errFrameTooLarge = errors.New("message is too large")

// A closeError says that the peer sent a close frame.
type closeError struct {
	code   websocket.StatusCode // 1005 if it had none
	reason string
}

func (e *closeError) Error() string {
	return fmt.Sprintf("closed by the peer: %d %s", e.code, e.reason)
}

// parseClose returns a [*closeError] with what the payload of a close frame
// says, or a [protocolError].
func parseClose(p []byte) error {
	if len(p) == 0 {
		return &closeError{code: websocket.StatusNoStatusRcvd}
	}
	if len(p) < 2 {
		return errCloseStatus
	}
	code := websocket.StatusCode(binary.BigEndian.Uint16(p))
	switch {
	case !validStatus(code):
		return errCloseStatus
	case !utf8.Valid(p[2:]):
		return errCloseReason
	}
	return &closeError{code, string(p[2:])}
}

// validStatus reports whether a close frame may carry code (RFC 6455, section
// 7.4, and the registry that it founds).
func validStatus(code websocket.StatusCode) bool {
	switch {
	case code >= 3000:
		return code <= 4999
	case code >= websocket.StatusInvalidFramePayloadData:
		return code <= websocket.StatusBadGateway
	}
	return code >= websocket.StatusNormalClosure && code <= websocket.StatusUnsupportedData
}

// closeFrame returns a close frame. The reason is cut to what there is room
// for; status 1005 stands for a frame without either.
func closeFrame(code websocket.StatusCode, reason string) []byte {
	frame := []byte{frameClose, 0}
	if code != websocket.StatusNoStatusRcvd {
		frame = binary.BigEndian.AppendUint16(frame, uint16(code)) //nolint:gosec // a status
		frame = append(frame, cut(reason, maxControl-2)...)
	}
	frame[1] = byte(len(frame) - 2) //nolint:gosec // at most maxControl
	return frame
}

// cut returns the first n bytes of s at most, in whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
