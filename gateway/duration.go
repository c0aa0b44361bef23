package gateway

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// maxDigits is how many digits a duration may have.
const maxDigits = 10

// errDuration is what is wrong with every duration that cannot be read.
var errDuration = errors.New(`want milliseconds such as 1500, or a duration such as 1.5s, 2m, PT5S`)

// parseDuration reads a duration from an option: milliseconds ("1500"), Go's
// notation ("1.5s", "1m30s") or ISO 8601's for times ("PT5S", "PT1H30M").
// Negative ones and ones of more than ten digits are refused. Anything between
// zero and a millisecond counts as one, since zero has a meaning of its own.
func parseDuration(s string) (time.Duration, error) {
	if digits(s) > maxDigits {
		return 0, errors.New("it has more than 10 digits")
	}
	if strings.HasPrefix(s, "-") {
		return 0, errors.New("it is negative")
	}
	if allDigits(s) {
		ms, err := strconv.ParseInt(s, 10, 64)
		return time.Duration(ms) * time.Millisecond, err
	}
	if iso, ok := strings.CutPrefix(s, "PT"); ok {
		if !isoTime(iso) {
			return 0, errDuration
		}
		s = strings.ToLower(iso)
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || strings.HasPrefix(s, "+") {
		return 0, errDuration
	}
	if strings.ContainsAny(s, "123456789") { // Go has fractions of a nanosecond as 0
		d = max(d, time.Millisecond)
	}
	return d, nil
}

// isoTime reports whether s is the part of an ISO 8601 duration that follows
// "PT": numbers with the units H, M and S, in this order, each at most once.
func isoTime(s string) bool {
	units := "HMS"
	for s != "" {
		n := strings.IndexAny(s, "HMS")
		if n < 1 || !isNumber(s[:n]) {
			return false
		}
		at := strings.IndexByte(units, s[n])
		if at < 0 {
			return false
		}
		units, s = units[at+1:], s[n+1:]
	}
	return len(units) < len("HMS")
}

// isNumber reports whether s holds digits, and at most one point between them.
func isNumber(s string) bool {
	before, after, point := strings.Cut(s, ".")
	return allDigits(before) && (!point || allDigits(after))
}

func allDigits(s string) bool { return s != "" && digits(s) == len(s) }

func digits(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
}

// parseGRPCTimeout reads the value of a Grpc-Timeout header: at most eight
// digits and a unit of H, M, S, m, u, n.
func parseGRPCTimeout(s string) (time.Duration, error) {
	if len(s) < 2 || len(s) > 9 || !allDigits(s[:len(s)-1]) {
		return 0, errors.New("want up to 8 digits and one of the units H, M, S, m, u, n")
	}
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	if err != nil {
		return 0, err
	}
	unit := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second,
		'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[s[len(s)-1]]
	if unit == 0 {
		return 0, errors.New("want up to 8 digits and one of the units H, M, S, m, u, n")
	}
	if n == 0 {
		return 0, nil
	}
	if time.Duration(n) > maxDuration/unit {
		return maxDuration, nil
	}
	return max(time.Duration(n)*unit, time.Millisecond), nil
}

// maxDuration is longer than any timeout anybody may set.
const maxDuration = 1000 * time.Hour

// parseConnectTimeout reads the value of a Connect-Timeout-Ms header.
func parseConnectTimeout(s string) (time.Duration, error) {
	if !allDigits(s) || len(s) > maxDigits {
		return 0, errors.New("want milliseconds, at most 10 digits")
	}
	return parseDuration(s)
}
