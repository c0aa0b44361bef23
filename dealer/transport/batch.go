package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// In the batched variants of the subprotocols (spec, section "WebSocket
// Transport") a WebSocket message is a batch: one WAMP message or more, each
// an element. In JSON a separator ends an element; otherwise its length comes
// first. Elements wait in the [outbox] as frames of their own, among control
// frames, and are merged when they are about to be written.

// The octets that may end an element in JSON. Neither can be part of one.
const (
	recordSeparator = 0x1e // what the specification means
	octalSeparator  = 0x18 // what autobahn-python and crossbar make of it, both ways
	separators      = "\x1e\x18"
)

// lengthSize is the size of the length in front of an element.
const lengthSize = 4

// The ways in which a batch is not one.
var (
	errEmptyBatch   = errors.New("a batch has no message in it")
	errNoSeparator  = errors.New("the last message of a batch has no separator behind it")
	errShortElement = errors.New("a batch ends inside a message")
)

// cut cuts the first message off a batch.
func (f format) cut(batch []byte) (message, rest []byte, err error) {
	if len(batch) == 0 {
		return nil, nil, errEmptyBatch
	}
	if !f.serializer.Binary() {
		end := bytes.IndexAny(batch, separators)
		if end < 0 {
			return nil, nil, errNoSeparator
		}
		return batch[:end], batch[end+1:], nil
	}
	if len(batch) < lengthSize {
		return nil, nil, errShortElement
	}
	size := uint64(binary.BigEndian.Uint32(batch))
	batch = batch[lengthSize:]
	if size > uint64(len(batch)) {
		return nil, nil, errShortElement
	}
	return batch[:size], batch[size:], nil
}

// appendElement appends m as a batch of its own; see append.
func (f format) appendElement(dst []byte, m wamp.Message) ([]byte, error) {
	start, header, length := len(dst), headerLen(sizeHint(m)), 0
	if f.serializer.Binary() {
		length = lengthSize
	}
	var blank [maxHeader + lengthSize]byte
	out, err := f.serializer.Append(append(dst, blank[:header+length]...), m)
	if err != nil {
		return dst, fmt.Errorf("encode %v: %w", m.Type(), err)
	}
	if size := len(out) - start - header - length; length > 0 {
		binary.BigEndian.PutUint32(out[start+header:], uint32(min(size, f.limit))) //nolint:gosec // checked below
	} else {
		out = append(out, f.separator)
	}
	if len(out)-start-header > f.limit {
		return dst, f.tooLarge()
	}
	return f.appendReceipt(seal(out, start, header, f.first), m), nil
}

// mergeAll merges the frames in b. It takes b, and returns it if there is
// nothing to merge.
func (f format) mergeAll(b *buffer, buffers *bufferPool) *buffer {
	if n, _ := frameSize(b.bytes); n == len(b.bytes) {
		return b
	}
	merged := buffers.get()
	merged.bytes = f.merge(merged.bytes, b.bytes)
	buffers.put(b)
	return merged
}

// merge appends frames to dst with one frame in place of several batches that
// follow each other, as far as the limit allows.
func (f format) merge(dst, frames []byte) []byte {
	for len(frames) > 0 {
		run, size := f.run(frames)
		frames = frames[len(run):]
		if first, _ := frameSize(run); first == len(run) {
			dst = append(dst, run...)
			continue
		}
		var header [maxHeader]byte
		putHeader(header[:], f.first, size)
		dst = append(dst, header[:headerLen(size)]...)
		for len(run) > 0 {
			n, payload := frameSize(run)
			dst = append(dst, run[n-payload:n]...)
			run = run[n:]
		}
	}
	return dst
}

// run returns the frames at the beginning that one frame can stand for, and
// the size of its payload. A control frame stands for itself.
func (f format) run(frames []byte) (run []byte, size int) {
	n, size := frameSize(frames)
	for frames[0] == f.first && n < len(frames) && frames[n] == f.first {
		next, payload := frameSize(frames[n:])
		if size+payload > f.limit {
			break
		}
		n += next
		size += payload
	}
	return frames[:n], size
}

// frameSize returns the sizes of the first of some frames of ours, and of its
// payload; of none both are 0.
func frameSize(frames []byte) (frame, payload int) {
	if len(frames) == 0 {
		return 0, 0
	}
	switch size := int(frames[1]); size {
	case 126:
		payload = int(binary.BigEndian.Uint16(frames[2:]))
	case 127:
		payload = int(binary.BigEndian.Uint64(frames[2:])) //nolint:gosec // a length of ours
	default:
		payload = size
	}
	return headerLen(payload) + payload, payload
}
