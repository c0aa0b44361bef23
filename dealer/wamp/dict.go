package wamp

import "math"

// A Dict is a decoded details or options dict. Values are nil, bool, int64,
// float64, string, []byte, []any or Dict; integers beyond int64 are float64.
// All methods may be called on a nil Dict.
type Dict map[string]any

// Bool returns the value of key if it is a bool.
func (d Dict) Bool(key string) (value, ok bool) {
	value, ok = d[key].(bool)
	return value, ok
}

// String returns the value of key if it is a string.
func (d Dict) String(key string) (string, bool) {
	s, ok := d[key].(string)
	return s, ok
}

// Dict returns the value of key if it is a dict.
func (d Dict) Dict(key string) (Dict, bool) {
	v, ok := d[key].(Dict)
	return v, ok
}

// List returns the value of key if it is a list.
func (d Dict) List(key string) ([]any, bool) {
	v, ok := d[key].([]any)
	return v, ok
}

// Int returns the value of key if it is an integer, or a float that is one:
// JavaScript serializers write integers from 2^32 on as floats.
func (d Dict) Int(key string) (int64, bool) {
	switch v := d[key].(type) {
	case int64:
		return v, true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= 1<<53 {
			return int64(v), true
		}
	}
	return 0, false
}
