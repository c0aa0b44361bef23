package dealer

import (
	"bytes"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

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
