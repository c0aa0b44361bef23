package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/wampgate/wampgate/openapi"
)

// The bounds of a check.
const (
	maxViolations = 20   // that are told
	maxExponent   = 1000 // of a number: comparing it exactly takes as many digits
	maxDigits     = 4000 // of a number
)

func sameMap(a, b map[string]any) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// Check returns what is wrong with a value, at most 20 things; nothing if it is
// as the schema has it. The value is a tree of maps, lists, strings, booleans,
// nil and json.Number.
func (s *Schema) Check(v any) []openapi.Violation {
	if s == nil {
		return nil
	}
	if at, ok := hugeNumber(v, ""); ok {
		return []openapi.Violation{{Pointer: at, Detail: fmt.Sprintf("is a number with more than %d digits, or an exponent above %d", maxDigits, maxExponent)}}
	}
	err := s.compiled.Validate(v)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return violations(invalid, maxViolations)
	}
	return []openapi.Violation{{Detail: "cannot be checked"}}
}

// hugeNumber finds a number that would cost too much to compare.
func hugeNumber(v any, at string) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		digits, exponent, _ := strings.Cut(strings.ToLower(v.String()), "e")
		n, err := strconv.Atoi(exponent)
		return at, len(digits) > maxDigits || exponent != "" && (err != nil || n > maxExponent || n < -maxExponent)
	case []any:
		for i, child := range v {
			if where, ok := hugeNumber(child, at); ok {
				return at + "/" + strconv.Itoa(i) + strings.TrimPrefix(where, at), true
			}
		}
	case map[string]any:
		for key, child := range v {
			if where, ok := hugeNumber(child, at); ok {
				return at + "/" + openapi.EscapeToken(key) + strings.TrimPrefix(where, at), true
			}
		}
	}
	return "", false
}

// violations puts an error of the checker into our words, at most limit of
// them.
func violations(err *jsonschema.ValidationError, limit int) (all []openapi.Violation) {
	collect(err, func(v openapi.Violation) {
		for _, known := range all {
			if known == v {
				return
			}
		}
		if len(all) < limit {
			all = append(all, v)
		}
	})
	return all
}

// collect goes down to what is wrong in the end. Where one of several forms had
// to fit, the one that came nearest is what is told of.
func collect(err *jsonschema.ValidationError, add func(openapi.Violation)) {
	_, anyOf := err.ErrorKind.(*kind.AnyOf)
	oneOf, isOneOf := err.ErrorKind.(*kind.OneOf)
	switch {
	case isOneOf && len(oneOf.Subschemas) > 0:
		add(openapi.Violation{Pointer: pointerOf(err), Detail: "fits more than one of the forms of which it must have one"})
	case anyOf || isOneOf:
		if nearest := nearest(err.Causes); nearest != nil {
			collect(nearest, add)
			return
		}
		add(openapi.Violation{Pointer: pointerOf(err), Detail: "has none of the forms that it may have"})
	case len(err.Causes) > 0:
		for _, cause := range err.Causes {
			collect(cause, add)
		}
	default:
		for _, v := range words(err) {
			add(v)
		}
	}
}

// nearest returns the one of several failed forms that got farthest into the
// value, if it is one alone.
func nearest(causes []*jsonschema.ValidationError) *jsonschema.ValidationError {
	var best *jsonschema.ValidationError
	deepest, tied := -1, false
	for _, c := range causes {
		switch d := depth(c); {
		case d > deepest:
			best, deepest, tied = c, d, false
		case d == deepest:
			tied = true
		}
	}
	if tied {
		return nil
	}
	return best
}

// depth tells how far into the value a failed form got: to its type, to its
// members, and on from there.
func depth(err *jsonschema.ValidationError) int {
	if len(err.Causes) == 0 {
		switch err.ErrorKind.(type) {
		case *kind.Type, *kind.FalseSchema:
			return 2 * len(err.InstanceLocation)
		}
		return 2*len(err.InstanceLocation) + 1
	}
	deepest := 0
	for _, c := range err.Causes {
		deepest = max(deepest, depth(c))
	}
	return deepest
}

func pointerOf(err *jsonschema.ValidationError) string {
	var b strings.Builder
	for _, token := range err.InstanceLocation {
		b.WriteString("/" + openapi.EscapeToken(token))
	}
	return b.String()
}

// words says what is wrong at the end of a chain of errors.
func words(err *jsonschema.ValidationError) []openapi.Violation {
	at := pointerOf(err)
	members := func(names []string, detail string) (all []openapi.Violation) {
		for _, name := range names {
			all = append(all, openapi.Violation{Pointer: at + "/" + openapi.EscapeToken(name), Detail: detail})
		}
		return all
	}
	switch k := err.ErrorKind.(type) {
	case *kind.Required:
		return members(k.Missing, "is missing")
	case *kind.AdditionalProperties:
		return members(k.Properties, "is not known here")
	case *kind.DependentRequired:
		return members(k.Missing, "is missing, which "+strconv.Quote(k.Prop)+" needs")
	case *kind.Dependency:
		return members(k.Missing, "is missing, which "+strconv.Quote(k.Prop)+" needs")
	case *kind.PropertyNames:
		return members([]string{k.Property}, "is no name that it may have")
	}
	return []openapi.Violation{{Pointer: at, Detail: fault(err.ErrorKind)}}
}

// fault says what is wrong with a value itself.
func fault(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, not %s", strings.Join(articled(k.Want), " or "), articled([]string{k.Got})[0])
	case *kind.Enum:
		return "must be " + oneOf(k.Want)
	case *kind.Const:
		return "must be " + oneOf([]any{k.Want})
	case *kind.Format:
		return "must be " + articledFormat(k.Want)
	case *kind.Pattern:
		return "must match the pattern " + k.Want
	case *kind.UniqueItems:
		return fmt.Sprintf("must not hold a value twice, as at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.AdditionalItems:
		return fmt.Sprintf("holds %d elements too many", k.Count)
	case *kind.Contains, *kind.MinContains, *kind.MaxContains:
		return "does not hold as many of certain elements as it must"
	case *kind.FalseSchema:
		return "must not be there"
	case *kind.Not:
		return "has a form that it must not have"
	}
	return bounds(k)
}

// bounds says which bound a value is beyond.
func bounds(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %s", count(k.Want, "character"))
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %s", count(k.Want, "character"))
	case *kind.MinItems:
		return fmt.Sprintf("must hold at least %s", count(k.Want, "element"))
	case *kind.MaxItems:
		return fmt.Sprintf("must hold at most %s", count(k.Want, "element"))
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %s", count(k.Want, "member"))
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %s", count(k.Want, "member"))
	case *kind.Minimum:
		return "must be at least " + decimal(k.Want)
	case *kind.Maximum:
		return "must be at most " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimal(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + decimal(k.Want)
	}
	return "is not as its schema has it"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// decimal writes a bound as documents do.
func decimal(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	digits, _ := r.FloatPrec()
	return r.FloatString(min(digits, 20))
}

// articled writes types of JSON with their articles.
func articled(types []string) []string {
	all := make([]string, len(types))
	for i, t := range types {
		switch t {
		case "null":
			all[i] = t
		case "integer", "object":
			all[i] = "an " + t
		case "array":
			all[i] = "a list"
		case "boolean":
			all[i] = "true or false"
		default:
			all[i] = "a " + t
		}
	}
	return all
}

// articledFormat says what a format is.
func articledFormat(name string) string {
	switch name {
	case "date-time":
		return "a time such as 2026-01-31T12:00:00Z"
	case "date":
		return "a date such as 2026-01-31"
	case "uuid":
		return "a UUID"
	case "email":
		return "an e-mail address"
	case "ipv4", "ipv6":
		return "an address of IP" + strings.TrimPrefix(name, "ip")
	case "uri", "uri-reference":
		return "a " + strings.ToUpper(name[:3]) + strings.TrimPrefix(name, "uri")
	case "int32", "int64":
		return "an integer of " + name[3:] + " bits"
	case "byte":
		return "base64"
	}
	return "of the format " + name
}

// oneOf lists values.
func oneOf(values []any) string {
	const most = 12
	all := make([]string, 0, most)
	for i, v := range values {
		if i == most {
			all = append(all, "…")
			break
		}
		text, err := json.Marshal(v)
		if err != nil {
			continue
		}
		all = append(all, string(text))
	}
	if len(values) == 1 {
		return strings.Join(all, "")
	}
	return "one of " + strings.Join(all, ", ")
}
