package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// options are what a call's query says. The zero value is that of an empty
// query.
type options struct {
	timeout    time.Duration // 0 means the longest allowed; only if hasTimeout
	hasTimeout bool
	disclose   bool
	progress   choice
	stream     streamOption
	framing    framing // of ?in=
	envelope   bool    // body=call: the request's body is {"args":…,"kwargs":…}
	bare       bool    // body=value: a stream's items are bare values
	final      finalFrame
	chunk      int // largest chunk in bytes; 0 means the default
	key        wamp.Key
	runMode    wamp.RunMode
	trust      string
	passthru   *wamp.Passthru // nil if no option of that mode is given
	priority   priority
	resume     time.Duration       // how long the call outlives its client; 0 means not at all
	idle       time.Duration       // how long its callee may be silent; 0 means as long as the timeout lets it
	latest     bool                // overflow=latest: a slow client gets what is new, and misses the rest
	branch     *wamp.BranchOptions // within which transaction; nil if in none
	schedule   *wamp.KeepOptions   // when a persistent call is due, and for how long it is tried; nil if it does not say

	args   string     // GET only: a JSON list, or empty
	kwargs string     // GET only: a JSON object, or empty
	named  []namedArg // GET only: kw.name=text and kw.name:=json

	given uint // bit i: the option optionNames()[i] was given
}

// A namedArg is one keyword argument in a query.
type namedArg struct {
	name, value string
	json        bool // value is JSON, not text
}

// A choice is an option that can be left open.
type choice uint8

const (
	choiceOpen choice = iota
	choiceOff
	choiceOn
)

// A streamOption is the value of ?stream=.
type streamOption uint8

const (
	streamByAccept streamOption = iota
	streamOff
	streamSSE
	streamNDJSON
	streamArray
	streamRaw
)

// A framing says how the body of a request is cut into the chunks of a
// progressive call.
type framing uint8

const (
	framingNone    framing = iota // it isn't: the type of the body decides
	framingWhole                  // it must not be, whatever the type
	framingNDJSON                 // lines of JSON
	framingJSONSeq                // RFC 7464
	framingMsgPack                // concatenated MessagePack values
	framingLines                  // lines of text
	framingChunks                 // bytes, as they come
)

// streams reports whether the body makes a progressive call.
func (f framing) streams() bool { return f > framingWhole }

// A finalFrame is the value of ?final=.
type finalFrame uint8

const (
	finalEmpty finalFrame = iota // the last CALL has no payload
	finalLast                    // the last item of the body is the last CALL
)

// maxChunk is the largest value of ?chunk=.
const maxChunk = 1 << 20

// optionNames lists the options of a query. The set is closed: whatever is not
// in it is refused.
func optionNames() []string {
	return []string{
		"timeout", "disclose_me", "progress", "stream", "in", "body", "final", "chunk",
		"trust", "ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid", "rkey", "runmode",
		"resume", "overflow", "idle_timeout", "priority",
		"delay", "not_before", "expiry", "transaction", "readonly",
	}
}

// parseOptions reads a query. In that of a GET it also takes arguments. The
// error is a problem.
func parseOptions(query string, get bool) (options, error) {
	var o options
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, err := unescapePair(pair)
		if err != nil {
			return o, err
		}
		if err := o.set(name, value, get); err != nil {
			return o, err
		}
	}
	return o, nil
}

// unescapePair splits and decodes one name=value.
func unescapePair(pair string) (name, value string, err error) {
	if strings.Contains(pair, ";") {
		return "", "", badOption("the query holds a raw ';'; separate options with '&', and write ';' as %%3B")
	}
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err == nil {
		value, err = url.QueryUnescape(value)
	}
	if err != nil {
		return "", "", badOption("the query has a bad percent escape in %q", pair)
	}
	return name, value, nil
}

// set takes one option.
func (o *options) set(name, value string, get bool) error {
	if isArgument(name) {
		if !get {
			return badOption("%s is for GET; with this method arguments go into the body", name)
		}
		return o.setArgument(name, value)
	}
	name, isJSON := keyName(name)
	if name == "trust_level" {
		name = "trust"
	}
	i := slices.Index(optionNames(), name)
	if i < 0 {
		return unknownOption(name)
	}
	if o.given&(1<<i) != 0 && name != "body" {
		return badOption("option %s is given twice", name)
	}
	o.given |= 1 << i
	var err error
	if isJSON {
		o.key, err = jsonKey(value)
	} else {
		err = o.parse(name, value)
	}
	if err != nil {
		return badOption("option %s=%s: %v", name, value, err)
	}
	return nil
}

// parse sets the option with that name, which exists.
func (o *options) parse(name, value string) (err error) {
	switch name {
	case "timeout", "priority", "runmode", "trust":
		err = o.callOption(name, value)
	case "disclose_me":
		o.disclose, err = parseBool(value)
	case "progress":
		o.progress, err = parseChoice(value)
	case "stream":
		o.stream, err = oneOf[streamOption](value, []string{"", "off", "sse", "ndjson", "array", "raw"})
	case "in":
		o.framing, err = oneOf[framing](value, []string{"", "whole", "ndjson", "json-seq", "msgpack", "lines", "chunks"})
	case "body":
		err = o.parseBody(value)
	case "final":
		o.final, err = oneOf[finalFrame](value, []string{"empty", "last"})
	case "chunk":
		o.chunk, err = parseChunk(value)
	case "rkey":
		o.key, err = textKey(value)
	case "resume", "overflow", "idle_timeout":
		err = o.lifeOption(name, value)
	case "delay", "not_before", "expiry":
		err = o.scheduleOption(name, value)
	case "transaction", "readonly":
		err = o.branchOption(name, value)
	default:
		o.passthruOption(name, value)
	}
	return err
}

// callOption reads an option of how the call is made.
func (o *options) callOption(name, value string) (err error) {
	switch name {
	case "timeout":
		o.timeout, err = parseDuration(value)
		o.hasTimeout = true
	case "priority":
		o.priority, err = oneOf[priority](value, []string{"normal", "low", "high"})
	case "runmode":
		o.runMode, err = oneOf[wamp.RunMode](value, []string{"", "partition", "all"})
	case "trust":
		o.trust, err = parseTrust(value)
	}
	return err
}

// parseChoice reads a choice that is made.
func parseChoice(value string) (choice, error) {
	on, err := parseBool(value)
	if on {
		return choiceOn, err
	}
	return choiceOff, err
}

func parseTrust(value string) (string, error) {
	if !slices.Contains(trustLevels(), value) {
		return "", fmt.Errorf("want one of %s", strings.Join(trustLevels(), ", "))
	}
	return value, nil
}

func (o *options) parseBody(value string) error {
	switch value {
	case "call":
		o.envelope = true
	case "value":
		o.bare = true
	default:
		return errors.New("want call (the request's body is an object with args and kwargs) or value (a stream's items are bare values)")
	}
	return nil
}

// setArgument takes an argument of a GET.
func (o *options) setArgument(name, value string) error {
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return badOption("%s is not valid UTF-8", quoteShort(name))
	}
	switch name {
	case "args", "kwargs":
		at := &o.args
		if name == "kwargs" {
			at = &o.kwargs
		}
		if *at != "" {
			return badOption("%s is given twice", name)
		}
		if *at = value; value == "" {
			return badOption("%s is empty; leave it out, or give JSON", name)
		}
		return nil
	}
	name = strings.TrimPrefix(name, "kw.")
	plain, isJSON := strings.CutSuffix(name, ":")
	if plain == "" {
		return badOption("kw. must be followed by the name of a keyword argument")
	}
	o.named = append(o.named, namedArg{name: plain, value: value, json: isJSON})
	return nil
}

// isArgument reports whether a name in a query belongs to an argument.
func isArgument(name string) bool {
	return name == "args" || name == "kwargs" || strings.HasPrefix(name, "kw.")
}

func parseBool(s string) (bool, error) {
	switch s {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, errors.New("want true or false")
}

// oneOf returns the enumeration value whose name s is; names are in the order
// of the constants, and values with an empty name can't be asked for.
func oneOf[T ~uint8](s string, names []string) (T, error) {
	if i := slices.Index(names, s); i >= 0 && s != "" {
		return T(i), nil
	}
	return 0, fmt.Errorf("want one of %s", strings.TrimPrefix(strings.Join(names, ", "), ", "))
}

func parseChunk(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxChunk || !allDigits(s) {
		return 0, fmt.Errorf("want a number of bytes from 1 to %d", maxChunk)
	}
	return n, nil
}

// badOption is the problem of a query that cannot be read.
func badOption(format string, args ...any) *problem.Problem {
	return problem.New(http.StatusBadRequest, wamp.ErrOptionNotAllowed, fmt.Sprintf(format, args...))
}

// unknownOption is the problem of a name that is not in the closed set.
func unknownOption(name string) *problem.Problem {
	if best, ok := nearestName(name, optionNames()); ok {
		return badOption("there is no option %s; did you mean %s?", quoteShort(name), best)
	}
	return badOption("there is no option %s; the options are %s", quoteShort(name), strings.Join(optionNames(), ", "))
}

// quoteShort quotes a name that somebody sent, cut to a readable length.
func quoteShort(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return strconv.Quote(s)
}

// nearestName returns the candidate with the fewest typing mistakes between
// it and name, if there are few.
func nearestName(name string, candidates []string) (best string, ok bool) {
	if len(name) > 32 {
		return "", false
	}
	least := len(name)/3 + 2
	for _, c := range candidates {
		if d := editDistance(name, c); d < least {
			best, least, ok = c, d, true
		}
	}
	return best, ok
}

// editDistance returns how many bytes have to be added, removed or replaced to
// make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
