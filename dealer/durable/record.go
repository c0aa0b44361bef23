package durable

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A State is how far a call has come.
type State string

// The states of a call. The last five are final.
const (
	Scheduled    State = "scheduled" // its time has not come
	Accepted     State = "accepted"  // waits for its turn, a callee, or the next attempt
	Running      State = "running"   // a callee has it
	Succeeded    State = "succeeded"
	Failed       State = "failed"        // the callee answered with an error
	Canceled     State = "canceled"      // by its owner
	Expired      State = "expired"       // nobody had got to it in time
	DeadLettered State = "dead_lettered" // too many attempts failed
)

// A name is what tells calls apart.
type name struct {
	Realm wamp.URI `json:"realm"`
	Owner string   `json:"owner"` // authid
	ID    string   `json:"id"`
}

// A record is an accepted call. Its JSON, and the payload, are what is stored.
type record struct {
	name
	Number    uint64         `json:"n"` // in order of acceptance, over all calls ever
	Procedure wamp.URI       `json:"procedure"`
	Caller    wamp.Behalf    `json:"caller"`
	Digest    string         `json:"digest"` // of what must not differ under the same id
	Key       []byte         `json:"key,omitempty"`
	Disclose  bool           `json:"disclose,omitempty"`
	Passthru  *wamp.Passthru `json:"ppt,omitempty"`
	Accepted  time.Time      `json:"accepted"`
	Due       time.Time      `json:"due"`
	Expires   time.Time      `json:"expires"`

	Serializer int `json:"serializer"`
}

// An attempts record says what came of a call's attempts so far; the last one
// counts.
type attempts struct {
	name
	Number  uint64   `json:"n"`
	Failed  int      `json:"failed"`
	Crashes int      `json:"crashes"` // of those, that took the callee's session along
	History []string `json:"history"` // of the last ones, when and why
}

// An outcome is what a call ended with, and what its id stands for as long as
// it is kept.
type outcome struct {
	name
	Number    uint64         `json:"n"`
	Procedure wamp.URI       `json:"procedure"`
	Digest    string         `json:"digest"`
	State     State          `json:"state"`
	Error     wamp.URI       `json:"error,omitempty"`
	Passthru  *wamp.Passthru `json:"ppt,omitempty"`
	Accepted  time.Time      `json:"accepted"`
	Ended     time.Time      `json:"ended"`
	Attempts  int            `json:"attempts"`

	Serializer int `json:"serializer"`
}

// A letter is a call that was given up, as it was accepted, so that it can be
// tried again.
type letter struct {
	record

	Died     time.Time `json:"died"`
	Attempts int       `json:"attempts"`
	Crashes  int       `json:"crashes"`
	Reason   []string  `json:"reason"`
}

// An entry is one record of a batch.
type entry struct {
	kind    byte
	header  []byte // JSON
	payload wamp.Payload
}

// The kinds of entries.
const (
	kindCall     = 'c'
	kindAttempts = 'a'
	kindOutcome  = 'o'
	kindLetter   = 'd'
)

// size is how many bytes append adds at most.
func (e *entry) size() int {
	return 1 + 3*binary.MaxVarintLen32 + len(e.header) + len(e.payload.Args) + len(e.payload.Kwargs)
}

func (e *entry) append(b []byte) []byte {
	b = append(b, e.kind)
	for _, part := range [][]byte{e.header, e.payload.Args, e.payload.Kwargs} {
		length := uint64(0) // absent, or one more than it has
		if part != nil {
			length = uint64(len(part)) + 1
		}
		b = binary.AppendUvarint(b, length)
		b = append(b, part...)
	}
	return b
}

var errBatch = errors.New("a batch in the store cannot be read")

// batchHeader precedes the entries of a batch: who wrote it, and its number.
const batchHeader = 16

// entries calls take with the entries of a batch, which alias data.
func entries(data []byte, take func(index int, e entry) error) error {
	if len(data) < batchHeader {
		return errBatch
	}
	data = data[batchHeader:]
	for index := 0; len(data) > 0; index++ {
		e := entry{kind: data[0]}
		data = data[1:]
		for _, part := range []*[]byte{&e.header, &e.payload.Args, &e.payload.Kwargs} {
			length, n := binary.Uvarint(data)
			if n <= 0 || length > uint64(len(data)-n)+1 { //nolint:gosec // n is at most len(data)
				return errBatch
			}
			data = data[n:]
			if length > 0 {
				*part = data[: length-1 : length-1]
				data = data[length-1:]
			}
		}
		if err := take(index, e); err != nil {
			return err
		}
	}
	return nil
}

// newEntry returns the entry of a record.
func newEntry(kind byte, header any, p wamp.Payload) (entry, error) {
	data, err := json.Marshal(header)
	if err != nil {
		return entry{}, fmt.Errorf("record: %w", err)
	}
	return entry{kind, data, p}, nil
}

// digestOf returns what a call with the same id must agree in.
func digestOf(m *arrival) string {
	h := sha256.New()
	for _, part := range [][]byte{
		[]byte(m.Procedure), []byte(m.Options.RoutingKey), {byte(m.Payload.Serializer)}, m.Payload.Args, m.Payload.Kwargs,
	} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// maxID is the longest call_id in bytes.
const maxID = 255

// checkID says what is wrong with an id that a caller chose.
func checkID(id string) string {
	if len(id) > maxID {
		return fmt.Sprintf("call_id has more than %d bytes", maxID)
	}
	if strings.ContainsFunc(id, func(r rune) bool { return r < '!' || r > '~' }) {
		return "call_id has characters other than visible ASCII"
	}
	return ""
}
