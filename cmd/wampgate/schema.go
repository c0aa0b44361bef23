package main

import (
	"encoding/json"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/wampgate/wampgate/dealer/auth"
)

// configCommand is what there is to know of the configuration file.
type configCommand struct {
	Schema schemaCommand `cmd:"" help:"Print a JSON Schema of the configuration file, for editors."`
}

type schemaCommand struct{}

// Run prints the schema.
func (schemaCommand) Run(kctx *kong.Context, p *process) error {
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(fileSchema(serveFlags(kctx.Model)))
}

// serveFlags returns the flags of serve that are settings.
func serveFlags(app *kong.Application) []*kong.Flag {
	var flags []*kong.Flag
	for _, command := range app.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			if flag.Group != nil {
				flags = append(flags, flag)
			}
		}
	}
	return flags
}

// A schema is a JSON Schema, draft 2020-12.
type schema map[string]any

// The patterns of what is written as text.
const (
	sizePattern     = `^[0-9]+ *(KiB|MiB|GiB)?$`
	durationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`
	octalPattern    = `^[0-7]{3,4}$`
	sumPattern      = `^(sha256:)?[0-9A-Fa-f:]{64,95}$`
)

// fileSchema describes the configuration file: the settings as their flags
// are, and the sections as accessReader reads them.
func fileSchema(flags []*kong.Flag) schema {
	properties := schema{"auth": authSchema(), "descriptions": descriptionsSchema(), "openapi": importsSchema(), "roles": mapOf(roleSchema()), "principals": mapOf(principalSchema())}
	for _, flag := range flags {
		properties[flag.Name] = settingSchema(flag)
	}
	s := object(properties)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Configuration of wampgate serve"
	s["$defs"] = schema{"secret": secretSchema()}
	return s
}

// settingSchema describes the setting that a flag is.
func settingSchema(flag *kong.Flag) schema {
	s := typeSchema(flag.Target.Type())
	if flag.Enum != "" {
		s["enum"] = flag.EnumSlice()
	}
	s["description"] = strings.ReplaceAll(flag.Help, flag.Enum, strings.Join(flag.EnumSlice(), ", "))
	if flag.Default != "" {
		s["default"] = defaultValue(flag)
	}
	return s
}

// typeSchema describes what a setting of a type may be in YAML.
func typeSchema(t reflect.Type) schema {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return textLike(durationPattern)
	case reflect.TypeFor[size]():
		return anyOf(schema{"type": "integer", "minimum": 0}, textLike(sizePattern))
	case reflect.TypeFor[fileMode]():
		return anyOf(schema{"type": "integer", "minimum": 0}, textLike(octalPattern))
	}
	switch t.Kind() { //nolint:exhaustive // settings have no others
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int:
		return schema{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return schema{"type": "number", "minimum": 0}
	case reflect.Slice:
		return oneOrMore(schema{"type": "string"})
	}
	return schema{"type": "string"}
}

// defaultValue returns the default of a setting as YAML would have it.
func defaultValue(flag *kong.Flag) any {
	switch flag.Target.Kind() { //nolint:exhaustive // the others are written as text
	case reflect.Bool:
		return flag.Default == "true"
	case reflect.Slice:
		return strings.Split(flag.Default, ",")
	case reflect.Int, reflect.Float64:
		if n, err := strconv.ParseFloat(flag.Default, 64); err == nil {
			return n
		}
	}
	return flag.Default
}

func authSchema() schema {
	procedure := schema{"type": "string"}
	issuer := object(schema{
		"issuer":       about("The claim iss of its tokens.", schema{"type": "string"}),
		"keys":         about("File or https URL of its keys; left out, it is asked by OpenID Connect Discovery.", schema{"type": "string"}),
		"audience":     about("The claim aud must hold one of them.", oneOrMore(schema{"type": "string"})),
		"algorithms":   oneOrMore(schema{"type": "string"}),
		"leeway":       about("Between the clocks.", textLike(durationPattern)),
		"authid":       about("Text with claims in braces.", schema{"type": "string", "default": "{sub}"}),
		"authrole":     about("The claim with the role, or a list.", schema{"type": "string", "default": "role"}),
		"roles":        about("The role for a value of that claim.", mapOf(schema{"type": "string"})),
		"default-role": about("For tokens without any; left out, they are refused.", schema{"type": "string"}),
	}, "issuer", "audience")
	return about("How those who come in prove who they are.", object(schema{
		"anonymous-role": schema{"type": "string", "default": auth.Anonymous},
		"methods":        about("Methods of WAMP; default: those that some principal has credentials for.", oneOrMore(oneOf(methodNames()))),
		"dynamic": about("Is asked about those who are not among principals.",
			object(schema{"procedure": procedure, "methods": oneOrMore(oneOf(methodNames()))}, "procedure")),
		"jwt": about("Issuers whose tokens are taken.", schema{"type": "array", "items": issuer}),
		"certificates": about("Whom client certificates stand for, by their names.", schema{"type": "array", "items": object(schema{
			"name": textLike("^(uri|dns|cn):"), "authid": schema{"type": "string"}, "role": schema{"type": "string"},
		}, "name", "role")}),
		"http": about("Decides about requests with these header fields.",
			object(schema{"procedure": procedure, "headers": oneOrMore(schema{"type": "string"})}, "procedure")),
	}))
}

func importsSchema() schema {
	document := object(schema{
		"file":      about("The document, in JSON or YAML, from this file's folder.", schema{"type": "string"}),
		"name":      about("What the document is called here; default: the file's name.", schema{"type": "string", "pattern": importNamePattern}),
		"prefix":    about("What its paths begin with; default: openapi-prefix.", schema{"type": "string", "pattern": "^/"}),
		"procedure": about("What the procedures of operations without x-wamp-procedure begin with.", schema{"type": "string"}),
		"body":      about("Whether the members of a body that is an object are keyword arguments, or it is one, body.", oneOf([]string{"merge", "whole"})),
		"answers":   about("What becomes of answers that are not as described; default: openapi-answers.", oneOf(answerChecks())),
	}, "file")
	return schema{"type": "array", "items": anyOf(schema{"type": "string"}, document)}
}

func descriptionsSchema() schema {
	or := func(s schema) schema { return anyOf(s, schema{"type": "null"}) }
	text, flag := schema{"type": "string", "minLength": 1}, schema{"type": "boolean"}
	count := schema{"type": "integer", "minimum": 1}
	anySchema := schema{"type": []string{"object", "boolean"}}
	date := textLike(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)`)
	return about("What procedures are like, in addition to what their callees tell and before it; null takes away what they tell.", schema{"type": "array", "items": object(schema{
		"uri":        about("A URI or, with match, a pattern.", schema{"type": "string"}),
		"match":      oneOf(matchNames()),
		"safe":       or(about("Calls change nothing: GET, HEAD and QUERY may make them.", flag)),
		"summary":    or(text),
		"cache":      or(about("Seconds for which answers to GET may be kept.", count)),
		"media":      or(about("Of results that are one byte string.", schema{"type": "string", "pattern": "/"})),
		"headers":    or(about("Fields of the request that the callee is told.", schema{"type": "array", "items": text})),
		"errors":     or(about("Statuses of the callee's errors, by the beginnings of their URIs.", mapOf(schema{"type": "integer", "minimum": 400, "maximum": 599}))),
		"respond":    or(about("Results may say their status.", flag)),
		"max_body":   or(about("Bytes of a body that is one call.", count)),
		"deprecated": or(anyOf(date, count, schema{"const": false})),
		"sunset":     or(anyOf(date, count)),
		"stream":     or(object(schema{"in": flag, "out": flag})),
		"schema":     or(object(schema{"args": anySchema, "kwargs": anySchema, "result": anySchema, "progress": anySchema})),
	}, "uri")})
}

func roleSchema() schema {
	var actions []string
	for a := auth.Call; a <= auth.Admin; a++ {
		actions = append(actions, a.String())
	}
	permission := object(schema{
		"uri":          about("A URI or, with match, a pattern.", schema{"type": "string"}),
		"match":        oneOf(matchNames()),
		"allow":        oneOrMore(oneOf(actions)),
		"disclose":     oneOf(discloseNames()),
		"trust-levels": oneOrMore(oneOf(trustLevels())),
		"max-timeout":  textLike(durationPattern),
		"min-timeout":  textLike(durationPattern),
		"rate":         about("Calls a second.", schema{"type": "number", "exclusiveMinimum": 0}),
		"burst":        schema{"type": "integer", "minimum": 0},
		"concurrency":  schema{"type": "integer", "minimum": 0},
	}, "uri")
	permission["dependentRequired"] = schema{"burst": []string{"rate"}}
	return about("What some principals may do.", object(schema{
		"permissions":    about("The most specific one decides; where none fits, the answer is no.", schema{"type": "array", "items": permission}),
		"authorizer":     about("A procedure that decides where no permission fits.", schema{"type": "string"}),
		"authorizer-ttl": textLike(durationPattern),
	}))
}

func principalSchema() schema {
	secret := schema{"$ref": "#/$defs/secret"}
	hash := anyOf(schema{"type": "string"}, secret)
	return about("Somebody who may come in.", object(schema{
		"role":        schema{"type": "string"},
		"realms":      about("Default: all.", oneOrMore(schema{"type": "string"})),
		"ticket":      secret,
		"ticket-hash": hash,
		"wampcra":     secret,
		"wampcra-key": object(schema{
			"key": secret, "salt": schema{"type": "string"},
			"iterations": schema{"type": "integer", "minimum": 0}, "keylen": schema{"type": "integer", "minimum": 0},
		}, "key"),
		"scram":        hash,
		"cryptosign":   about("Public keys.", oneOrMore(textLike("^[0-9A-Fa-f]{64}$"))),
		"certificates": about("SHA-256 of client certificates.", oneOrMore(textLike(sumPattern))),
		"signing-key":  object(schema{"name": schema{"type": "string"}, "secret": secret}, "name", "secret"),
		"api-keys":     about("SHA-256 of API keys.", oneOrMore(textLike(sumPattern))),
	}, "role"))
}

// secretSchema describes where a secret is.
func secretSchema() schema {
	s := object(schema{"file": schema{"type": "string"}, "env": schema{"type": "string"}})
	s["minProperties"], s["maxProperties"] = 1, 1
	return about("Where the secret is: it does not stand in the file.", s)
}

// object describes a map with these keys alone.
func object(properties schema, required ...string) schema {
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		s["required"] = required
	}
	return s
}

// mapOf describes a map with keys of the operator's.
func mapOf(value schema) schema { return schema{"type": "object", "additionalProperties": value} }

// oneOrMore describes a list, or one of its items.
func oneOrMore(item schema) schema { return anyOf(item, schema{"type": "array", "items": item}) }

func anyOf(some ...schema) schema { return schema{"anyOf": some} }

func oneOf(words []string) schema { return schema{"enum": words} }

func textLike(pattern string) schema { return schema{"type": "string", "pattern": pattern} }

func about(description string, s schema) schema {
	s = maps.Clone(s)
	s["description"] = description
	return s
}
