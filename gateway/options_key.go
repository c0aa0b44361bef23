package gateway

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// keyName returns the name that an option goes by, and whether its value is
// JSON: ?rkey=7 is the string "7", ?rkey:=7 the number, as with keyword
// arguments. The Advanced RPC reference says shard_key.
func keyName(name string) (plain string, isJSON bool) {
	switch name {
	case "shard_key":
		return "rkey", false
	case "rkey:", "shard_key:":
		return "rkey", true
	}
	return name, false
}

// textKey returns the routing key that is a string.
func textKey(s string) (wamp.Key, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("is not valid UTF-8")
	}
	return checkKey(wamp.StringKey(s))
}

// jsonKey returns the routing key that is written as JSON.
func jsonKey(s string) (wamp.Key, error) {
	value, err := wamp.JSON.Value([]byte(s))
	key, ok := wamp.KeyOf(value)
	if err != nil || !ok {
		return "", errors.New("want a string or a number in JSON")
	}
	return checkKey(key)
}

// checkKey refuses a key that is too long.
func checkKey(key wamp.Key) (wamp.Key, error) {
	if len(key) > 1+wamp.MaxKey {
		return "", fmt.Errorf("want at most %d bytes", wamp.MaxKey)
	}
	return key, nil
}
