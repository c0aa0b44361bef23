package wamptest_test

import (
	"testing"

	"github.com/wampgate/wampgate/test/wamptest"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		got, want string
		matches   bool
	}{
		{`[1, {"a": 2, "b": [null]}]`, ` [1,{"b":[null],"a":2}]`, true},
		{`[1, {"a": 2}, "x"]`, `["*", "*", "*"]`, true},
		{`[1, [2, {"deep": [3]}]]`, `[1, [2, {"deep": ["*"]}]]`, true},
		{`[1]`, `[2]`, false},
		{`[1]`, `["1"]`, false},
		{`[1, 2]`, `[1]`, false},
		{`[1]`, `[1, "*"]`, false},
		{`{"a": 1}`, `{"a": 1, "b": "*"}`, false},
		{`{"a": 1, "b": 2}`, `{"a": 1}`, false},
		{`{"a": null}`, `{"b": null}`, false},
		{`[9007199254740993]`, `[9007199254740992]`, false},
		{`[1.0]`, `[1]`, false},
		{`[]`, `{}`, false},
		{`"x"`, `null`, false},
	} {
		if got := wamptest.Match(t, test.got, test.want); got != test.matches {
			t.Errorf("Match(%s, %s) = %v, want %v", test.got, test.want, got, test.matches)
		}
	}
}
