package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// An outForm is the form of an answer.
type outForm uint8

const (
	formUnary   outForm = iota // one value, with a Content-Length
	formSSE                    // text/event-stream
	formNDJSON                 // lines of JSON
	formJSONSeq                // RFC 7464
	formArray                  // one JSON list, element by element
	formRaw                    // bytes
)

// streams reports whether progressive results are sent as they come.
func (f outForm) streams() bool { return f != formUnary }

// numbered reports whether the events of the form have numbers.
func (f outForm) numbered() bool { return f == formSSE || f == formNDJSON || f == formJSONSeq }

// A format says how a unary answer is written.
type format struct {
	serializer wamp.Serializer
	media      string // Content-Type
	envelope   bool   // always {"args":…,"kwargs":…}
	raw        bool   // a single byte string may be sent as it is
	bytes      string // Content-Type of that
}

// An offer is a media type that answers can have.
type offer struct {
	media      string
	form       outForm
	serializer wamp.Serializer
	envelope   bool
	raw        bool
}

// offers lists what answers can look like; of those that a client likes
// equally well, the first is taken. bytes is the media type of byte strings.
func offers(bytes string) []offer {
	return []offer{
		{media: "application/json", serializer: wamp.JSON},
		{media: "application/vnd.wamp.call+json", serializer: wamp.JSON, envelope: true},
		{media: "application/msgpack", serializer: wamp.MsgPack},
		{media: "application/x-msgpack", serializer: wamp.MsgPack},
		{media: "application/vnd.msgpack", serializer: wamp.MsgPack},
		{media: "application/vnd.wamp.call+msgpack", serializer: wamp.MsgPack, envelope: true},
		{media: "application/cbor", serializer: wamp.CBOR},
		{media: "application/vnd.wamp.call+cbor", serializer: wamp.CBOR, envelope: true},
		{media: bytes, serializer: wamp.JSON, raw: true},
		{media: "text/event-stream", form: formSSE, serializer: wamp.JSON},
		{media: "application/x-ndjson", form: formNDJSON, serializer: wamp.JSON},
		{media: "application/jsonl", form: formNDJSON, serializer: wamp.JSON},
		{media: "application/json-seq", form: formJSONSeq, serializer: wamp.JSON},
	}
}

// mediaBytes is the media type of bytes that nobody says more about.
const mediaBytes = "application/octet-stream"

// An answer is what negotiation came to.
type answer struct {
	form   outForm
	media  string // Content-Type of a stream
	format format // of a unary answer
}

// negotiate chooses the form of the answer from the Accept header and the
// stream option, which overrides it. The error is a problem: 406, with what is
// on offer. bytes is the media type of a result that is one byte string.
func negotiate(accept []string, o *options, bytes string) (answer, error) {
	if o.stream > streamOff {
		return forced(o.stream, bytes), nil
	}
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "" || accept[0] == "*/*") {
		return answer{format: format{serializer: wamp.JSON, media: "application/json", raw: true, bytes: bytes}}, nil
	}
	if len(accept) == 1 && accept[0] == "application/json" {
		return answer{format: format{serializer: wamp.JSON, media: "application/json"}}, nil
	}
	ranges := parseAccept(strings.Join(accept, ","))
	best, ok := choose(ranges, bytes, o.stream == streamOff)
	if !ok && o.stream == streamOff {
		best, ok = offers(bytes)[0], true // the option overrides a header that asks for streams alone
	}
	if !ok {
		return answer{}, notAcceptable(bytes)
	}
	if best.form.streams() {
		return answer{form: best.form, media: best.media}, nil
	}
	return answer{format: unaryFormat(best, ranges, bytes)}, nil
}

// forced returns the form that ?stream= asks for.
func forced(s streamOption, bytes string) answer {
	switch s {
	case streamSSE:
		return answer{form: formSSE, media: "text/event-stream"}
	case streamNDJSON:
		return answer{form: formNDJSON, media: "application/x-ndjson"}
	case streamArray:
		return answer{form: formArray, media: "application/json"}
	}
	return answer{form: formRaw, media: bytes}
}

// unaryFormat makes a format of a chosen offer. A byte string goes out raw
// unless the client prefers a serializer.
func unaryFormat(best offer, ranges []acceptRange, bytes string) format {
	f := format{serializer: best.serializer, media: best.media, envelope: best.envelope, raw: best.raw, bytes: bytes}
	if f.raw {
		f.media = "application/json" // of what is no byte string
	}
	if best.serializer == wamp.JSON && !best.envelope && !f.raw {
		f.raw = !rank(ranges, best.media).above(rank(ranges, bytes))
	}
	return f
}

// choose returns the offer that ranks highest.
func choose(ranges []acceptRange, bytes string, unary bool) (best offer, ok bool) {
	var highest preference
	for _, o := range offers(bytes) {
		if unary && o.form.streams() {
			continue
		}
		if r := rank(ranges, o.media); r.above(highest) {
			best, highest, ok = o, r, true
		}
	}
	return best, ok
}

// notAcceptable is the problem of a client that takes nothing on offer.
func notAcceptable(bytes string) *problem.Problem {
	var media []string
	for _, o := range offers(bytes) {
		media = append(media, o.media)
	}
	return problem.New(http.StatusNotAcceptable, uriNotAcceptable,
		"answers come as "+strings.Join(media, ", ")+"; none of them is in the Accept header")
}

// A preference is how much a client likes a media type. The zero value means
// that it does not take it.
type preference struct {
	quality     int // 0 to 1000
	specificity int // 1 for */*, 2 for type/*, 3 for type/subtype
}

// above reports whether p is preferred to q.
func (p preference) above(q preference) bool {
	if p.quality != q.quality {
		return p.quality > q.quality
	}
	return p.quality > 0 && p.specificity > q.specificity
}

// An acceptRange is one element of an Accept header (RFC 9110, section
// 12.5.1).
type acceptRange struct {
	major, minor string // lower case; "*" matches all
	quality      int    // 0 to 1000
}

// maxRanges is how many elements of an Accept header are looked at.
const maxRanges = 32

// parseAccept reads an Accept header. Elements that make no sense are left
// out: a header that names nothing sensible accepts nothing.
func parseAccept(header string) []acceptRange {
	var ranges []acceptRange
	for element := range strings.SplitSeq(header, ",") {
		if len(ranges) == maxRanges {
			break
		}
		if r, ok := parseRange(element); ok {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

func parseRange(element string) (acceptRange, bool) {
	media, params, _ := strings.Cut(element, ";")
	major, minor, ok := strings.Cut(strings.ToLower(strings.TrimSpace(media)), "/")
	if !ok || major == "" || minor == "" || major == "*" && minor != "*" {
		return acceptRange{}, false
	}
	quality, ok := parseQuality(params)
	return acceptRange{major, minor, quality}, ok
}

// parseQuality returns 1000 times the parameter q, which is 1 if it is absent.
func parseQuality(params string) (int, bool) {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 32)
		if err != nil || len(value) > 5 || !(q >= 0 && q <= 1) {
			return 0, false
		}
		return int(q*1000 + 0.5), true
	}
	return 1000, true
}

// rank returns how much ranges likes a media type: what its most specific
// match says.
func rank(ranges []acceptRange, media string) preference {
	major, minor, _ := strings.Cut(media, "/")
	var p preference
	for _, r := range ranges {
		s := 3
		switch {
		case r.major == major && r.minor == minor:
		case r.major == major && r.minor == "*":
			s = 2
		case r.major == "*":
			s = 1
		default:
			continue
		}
		if s > p.specificity {
			p = preference{quality: r.quality, specificity: s}
		}
	}
	return p
}

// wantsText reports whether problems go out as plain text: when that is liked
// better than JSON.
func wantsText(accept []string) bool {
	if len(accept) == 0 {
		return false
	}
	ranges := parseAccept(strings.Join(accept, ","))
	text, json := rank(ranges, "text/plain"), rank(ranges, problem.MediaType)
	if j := rank(ranges, "application/json"); j.above(json) {
		json = j
	}
	return text.above(json)
}
