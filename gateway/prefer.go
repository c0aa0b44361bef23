package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preferences are what the Prefer header of a request asks for (RFC 7240), as
// far as it is heard here. What is not understood is left out: it is a
// preference.
type preferences struct {
	async bool          // respond-async: answer before the call has ended
	waits bool          // wait was given
	wait  time.Duration // for how long an answer may be waited for
}

// maxPreferredWait is the longest wait that is heard; longer ones are cut.
const maxPreferredWait = time.Hour

// parsePrefer reads the fields of a Prefer header. Of a preference that is
// given twice the first counts (section 2).
func parsePrefer(fields []string) (p preferences) {
	for rest := strings.Join(fields, ","); rest != ""; {
		var one string
		one, rest = cutUnquoted(rest, ',')
		one, _ = cutUnquoted(one, ';') // its parameters mean nothing to us
		name, value, _ := strings.Cut(one, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "respond-async":
			p.async = p.async || value == ""
		case "wait":
			n, err := strconv.ParseUint(value, 10, 31)
			if err == nil && !p.waits {
				p.waits, p.wait = true, min(time.Duration(n)*time.Second, maxPreferredWait)
			}
		}
	}
	return p
}

// longPoll is the longest that an answer waits for the end of a call, or of a
// transaction.
const longPoll = time.Minute

// readWait reads for how long a GET waits for the end of what it asks for: the
// option wait, else the Prefer header; nothing else is preferred. The error is
// a problem.
func readWait(r *http.Request) (p preferences, err error) {
	p = parsePrefer(r.Header["Prefer"])
	p.async = false
	err = readQuery(r.URL.RawQuery, []string{"wait"}, func(_, value string) (err error) {
		p.wait, err = parseDuration(value)
		return err
	})
	p.wait = min(p.wait, longPoll)
	return p, err
}

// cutUnquoted cuts s at the first separator that is in no quoted string.
func cutUnquoted(s string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == separator:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// applied tells the client which of its preferences were heard.
func (p preferences) applied(h http.Header) {
	var heard []string
	if p.async {
		heard = append(heard, "respond-async")
	}
	if p.waits {
		heard = append(heard, "wait="+strconv.Itoa(seconds(p.wait)))
	}
	h.Set("Preference-Applied", strings.Join(heard, ", "))
}
