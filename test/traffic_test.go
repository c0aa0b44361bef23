package test

import (
	"fmt"
	"testing"
)

// checkTraffic looks at every message that a client got, for what breaks one
// client or another:
//
//   - details that are null, or a role of WELCOME without features (wampy throws)
//   - features that are no booleans, or other roles than broker and dealer
//     (autobahn-python raises)
//   - INTERRUPT to a callee that did not announce call_canceling (wampy and
//     autobahn-js hang up)
//   - ERROR of any type but that of the client's own requests, such as CANCEL
//     (all hang up)
//   - ABORT with more than three elements (autobahn-python raises)
//   - revocations, unless the client has announced that it understands them
//   - invocation ids that do not grow (nexus drops the invocation)
func checkTraffic(t *testing.T, c *client) {
	t.Helper()
	var last float64
	open := map[float64]bool{}
	revocable := c.announces("callee", "registration_revocation")
	for _, e := range c.events.all() {
		if e.Event != "received" {
			continue
		}
		if code, _ := at[float64](e.Message, 0); code == codeUnregistered && len(e.Message) == 3 && revocable {
			continue
		}
		if fault := trafficFault(e.Message, &last, open); fault != "" {
			t.Errorf("%s received %v: %s", c.name(), e.Message, fault)
		}
	}
}

// trafficFault says what is wrong with a message; last is the highest
// invocation id so far, and open has those whose chunks go on.
func trafficFault(m []any, last *float64, open map[float64]bool) string {
	code, ok := at[float64](m, 0)
	if !ok {
		return "no code"
	}
	switch int(code) {
	case codeWelcome:
		details, _ := at[map[string]any](m, 2)
		return welcomeFault(details)
	case codeAbort:
		if len(m) != 3 {
			return "ABORT has three elements"
		}
		return needDict(m, 1)
	case codeGoodbye:
		return needDict(m, 1)
	case codeError:
		if of, _ := at[float64](m, 1); of != codeCall && of != codeRegister && of != 66 && of != 32 && of != 34 && of != 16 {
			return "ERROR of a request that clients do not make"
		}
		return needDict(m, 3)
	case codeResult:
		return needDict(m, 2)
	case codeUnregistered:
		if len(m) != 2 {
			return "a revocation that the client does not understand"
		}
	case codeInvocation:
		id, _ := at[float64](m, 1)
		if id <= *last && !open[id] {
			return fmt.Sprintf("an invocation id after %v", *last)
		}
		*last = max(*last, id)
		details, _ := at[map[string]any](m, 3)
		open[id] = details["progress"] == true
		return needDict(m, 3)
	case codeInterrupt:
		return "INTERRUPT to a client that cannot cancel"
	}
	return ""
}

func welcomeFault(details map[string]any) string {
	for _, key := range []string{"authid", "authrole"} {
		if _, ok := details[key].(string); !ok {
			return key + " is no string"
		}
	}
	roles, _ := details["roles"].(map[string]any)
	if roles["dealer"] == nil {
		return "no dealer"
	}
	for name, role := range roles {
		if name != "dealer" && name != "broker" {
			return name + " is no router's role"
		}
		dict, _ := role.(map[string]any)
		features, ok := dict["features"].(map[string]any)
		if !ok {
			return name + " has no features"
		}
		for feature, on := range features {
			if _, ok := on.(bool); !ok {
				return feature + " is no boolean"
			}
		}
	}
	return ""
}

func needDict(m []any, i int) string {
	if _, ok := at[map[string]any](m, i); !ok {
		return fmt.Sprintf("element %d is no dict", i)
	}
	return ""
}

// at returns an element if it is there and a T.
func at[T any](m []any, i int) (T, bool) {
	if i >= len(m) {
		var none T
		return none, false
	}
	v, ok := m[i].(T)
	return v, ok
}
