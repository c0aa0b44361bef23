package openapi

import (
	"errors"
	"fmt"
	"strings"
)

// The places that a runtime expression can name beside those of parameters.
const (
	PlaceURL    = "url"
	PlaceMethod = "method"
	PlaceBody   = "body"
)

// An Expression is one of OpenAPI's runtime expressions about a request, such
// as $request.path.id or $request.body#/filter.
type Expression struct {
	Place string // InPath, InQuery, InHeader or one of the Place… constants
	Name  string // of the parameter or header field; of PlaceBody a JSON pointer
}

// String writes the expression as it is read.
func (e Expression) String() string {
	switch e.Place {
	case PlaceURL, PlaceMethod:
		return "$" + e.Place
	case PlaceBody:
		if e.Name == "" {
			return "$request.body"
		}
		return "$request.body#" + e.Name
	}
	return "$request." + e.Place + "." + e.Name
}

// ParseExpression reads a runtime expression (OpenAPI 3.1, section 4.8.20.4).
// Those about a response say nothing about a call and are refused.
func ParseExpression(s string) (Expression, error) {
	switch s {
	case "$url", "$method":
		return Expression{Place: s[1:]}, nil
	}
	if strings.HasPrefix(s, "$response.") || s == "$statusCode" {
		return Expression{}, fmt.Errorf("%.80s: a call is made before there is a response", s)
	}
	rest, ok := strings.CutPrefix(s, "$request.")
	if !ok {
		return Expression{}, fmt.Errorf("%.80q is no runtime expression: want $request.path.NAME, $request.query.NAME, $request.header.NAME, $request.body, $request.body#/POINTER, $url or $method", s)
	}
	place, name, _ := strings.Cut(rest, ".")
	switch place {
	case InPath, InQuery:
		if name == "" {
			return Expression{}, fmt.Errorf("%.80s: the name of a parameter is missing", s)
		}
		return Expression{place, name}, nil
	case InHeader:
		if !isToken(name) {
			return Expression{}, fmt.Errorf("%.80s: %.80q is no name of a header field", s, name)
		}
		return Expression{place, name}, nil
	}
	body, ok := strings.CutPrefix(rest, PlaceBody)
	if !ok {
		return Expression{}, fmt.Errorf("%.80s: there is no such part of a request", s)
	}
	pointer, ok := strings.CutPrefix(body, "#")
	if _, valid := tokens(pointer); body != "" && !ok || !valid {
		return Expression{}, fmt.Errorf("%.80s: want $request.body, or $request.body# and a JSON pointer", s)
	}
	return Expression{PlaceBody, pointer}, nil
}

// isToken reports whether s is a token of HTTP (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// A Template says what one argument is made of. It is one of these:
//   - a value, which every call gets, if there are no Parts;
//   - what one expression comes to, with its type, if it is the only Part;
//   - text with expressions in it.
type Template struct {
	Value any // plain, as of a tree
	Parts []Part
}

// A Part of a template is text or an expression.
type Part struct {
	Text       string
	Expression *Expression
}

// Expressions returns those in t.
func (t Template) Expressions() (all []Expression) {
	for _, p := range t.Parts {
		if p.Expression != nil {
			all = append(all, *p.Expression)
		}
	}
	return all
}

// ParseTemplate reads an argument of x-wamp-args or x-wamp-kwargs: text that
// begins with $ is a runtime expression, text may hold such ones in braces as
// in "user {$request.path.id}", and anything else is itself. "$$…" is text that
// begins with one $.
func ParseTemplate(v any) (Template, error) {
	s, ok := v.(string)
	switch {
	case !ok:
		return Template{Value: v}, nil
	case strings.HasPrefix(s, "$$"):
		return Template{Value: s[1:]}, nil
	case strings.HasPrefix(s, "$"):
		e, err := ParseExpression(s)
		return Template{Parts: []Part{{Expression: &e}}}, err
	case !strings.Contains(s, "{$"):
		return Template{Value: s}, nil
	}
	var t Template
	for s != "" {
		before, after, opened := strings.Cut(s, "{$")
		if before != "" {
			t.Parts = append(t.Parts, Part{Text: before})
		}
		if !opened {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return t, errors.New("a '{$' without '}'")
		}
		e, err := ParseExpression("$" + name)
		if err != nil {
			return t, err
		}
		t.Parts, s = append(t.Parts, Part{Expression: &e}), rest
	}
	if len(t.Parts) == 1 { // "{$…}" is text, and "$…" is what has a type
		t.Parts = append(t.Parts, Part{})
	}
	return t, nil
}
