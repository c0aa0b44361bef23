package dealer

import (
	"bytes"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// callOverhead is about what a kept CALL takes up beside its payload.
const callOverhead = 256

// callSize returns about how many bytes cloneCall keeps.
func callSize(m *wamp.Call) int {
	return callOverhead + len(m.Payload.Args) + len(m.Payload.Kwargs) + valueSize(m.Options.Custom)
}

// cloneCall copies a CALL that is to be sent later.
func cloneCall(m *wamp.Call) wamp.Call {
	c := *m
	c.Payload.Args = bytes.Clone(m.Payload.Args)
	c.Payload.Kwargs = bytes.Clone(m.Payload.Kwargs)
	c.Options.Custom = cloneDict(m.Options.Custom)
	return c
}

// valueSize returns about how many bytes a value of a dict takes up.
func valueSize(value any) int {
	const one = 32
	size := one
	switch v := value.(type) {
	case string:
		size += len(v)
	case []byte:
		size += len(v)
	case wamp.Dict:
		for key, value := range v {
			size += one + len(key) + valueSize(value)
		}
	case []any:
		for _, value := range v {
			size += valueSize(value)
		}
	}
	return size
}

// cloneDict copies a dict of a message that is about to be reused.
func cloneDict(dict wamp.Dict) wamp.Dict {
	if dict == nil {
		return nil
	}
	clone := make(wamp.Dict, len(dict))
	for key, value := range dict {
		clone[strings.Clone(key)] = cloneValue(value)
	}
	return clone
}

func cloneValue(value any) any {
	switch v := value.(type) {
	case string:
		return strings.Clone(v)
	case []byte:
		return bytes.Clone(v)
	case wamp.Dict:
		return cloneDict(v)
	case []any:
		clone := make([]any, len(v))
		for i := range v {
			clone[i] = cloneValue(v[i])
		}
		return clone
	}
	return value
}
