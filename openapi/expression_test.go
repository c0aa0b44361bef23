package openapi_test

import (
	"encoding/json"
	"testing"

	"github.com/wampgate/wampgate/openapi"
)

func jsonOf(tb testing.TB, v any) string {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// TestExpressions reads runtime expressions, right and wrong ones.
func TestExpressions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]openapi.Expression{
		"$url":                      {Place: "url"},
		"$method":                   {Place: "method"},
		"$request.path.a.b":         {Place: "path", Name: "a.b"},
		"$request.query.q[]":        {Place: "query", Name: "q[]"},
		"$request.header.X-User":    {Place: "header", Name: "X-User"},
		"$request.body":             {Place: "body"},
		"$request.body#":            {Place: "body"},
		"$request.body#/a~1b/0/~0c": {Place: "body", Name: "/a~1b/0/~0c"},
	} {
		if got, err := openapi.ParseExpression(text); err != nil || got != want {
			t.Errorf("ParseExpression(%s) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "$", "url", "$URL", "$request", "$request.", "$request.path", "$request.path.", "$request.header.a b", "$request.header.",
		"$request.cookie.a", "$request.bodyx", "$request.body/a", "$request.body#a", "$request.body#/~2", "$response.body", "$statusCode",
	} {
		if got, err := openapi.ParseExpression(text); err == nil {
			t.Errorf("ParseExpression(%s) = %+v", text, got)
		}
	}
}

// TestTemplates reads what arguments are made of.
func TestTemplates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`1`:                       `{"Value":1,"Parts":null}`,
		`{"a":"$url"}`:            `{"Value":{"a":"$url"},"Parts":null}`,
		`"text"`:                  `{"Value":"text","Parts":null}`,
		`"$$url"`:                 `{"Value":"$url","Parts":null}`,
		`"$url"`:                  `{"Value":null,"Parts":[{"Text":"","Expression":{"Place":"url","Name":""}}]}`,
		`"{$url}"`:                `{"Value":null,"Parts":[{"Text":"","Expression":{"Place":"url","Name":""}},{"Text":"","Expression":null}]}`,
		`"a {$method}{b} {$url}"`: `{"Value":null,"Parts":[{"Text":"a ","Expression":null},{"Text":"","Expression":{"Place":"method","Name":""}},{"Text":"{b} ","Expression":null},{"Text":"","Expression":{"Place":"url","Name":""}}]}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		got, err := openapi.ParseTemplate(v)
		if err != nil || jsonOf(t, got) != want {
			t.Errorf("ParseTemplate(%s) = %s, %v, want %s", text, jsonOf(t, got), err, want)
		}
	}
	for _, text := range []string{"$nothing", "a {$url", "a {$}", "{$request.path.}"} {
		if got, err := openapi.ParseTemplate(text); err == nil {
			t.Errorf("ParseTemplate(%s) = %+v", text, got)
		}
	}
}

// FuzzExpression reads expressions: what is one is written as it was read.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{"$url", "$request.body#/a~1b", "$request.header.x", "$request.path.{", "{$url}", "a{$request.query.q}b{$", "$$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := openapi.ParseExpression(text); err == nil {
			again, err := openapi.ParseExpression(e.String())
			if err != nil || again != e || e.String() != text && text != e.String()+"#" {
				t.Errorf("%q is %+v, written %q, read again %+v, %v", text, e, e, again, err)
			}
		}
		template, err := openapi.ParseTemplate(text)
		if err != nil || template.Parts == nil {
			return
		}
		var written string
		for _, p := range template.Parts {
			if written += p.Text; p.Expression != nil {
				written += "{" + p.Expression.String() + "}"
			}
		}
		if again, err := openapi.ParseTemplate(written); len(template.Parts) > 1 && (err != nil || jsonOf(t, again) != jsonOf(t, template)) {
			t.Errorf("%q is written %q, and read again as %s, %v", text, written, jsonOf(t, again), err)
		}
	})
}
