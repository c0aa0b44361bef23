package main

import "github.com/wampgate/wampgate/dealer/wamp"

// demoSchema is what the samples take and return, in JSON Schema. demo.echo
// takes anything.
func demoSchema() map[string]string {
	return map[string]string{
		"demo.add": `{
			"args": {"type": "array", "items": {"type": "number"}, "description": "The numbers"},
			"kwargs": {"type": "object", "maxProperties": 0},
			"result": {"type": "number", "description": "The sum"}}`,
		"demo.greet": `{
			"args": {"type": "array", "items": {}, "maxItems": 1},
			"kwargs": {"type": "object", "properties": {"name": {"description": "Whom to greet"}}},
			"result": {"type": "string"}}`,
		"demo.fail": `{
			"kwargs": {"type": "object", "properties": {"error": {"type": "string", "description": "The URI of the error"}}}}`,
		"demo.sleep": `{
			"args": {"type": "array", "prefixItems": [{"type": "number", "minimum": 0, "maximum": 86400, "description": "Seconds"}], "items": false, "minItems": 1},
			"result": {"type": "number"}}`,
		"demo.count": `{
			"args": {"type": "array", "prefixItems": [{"type": "integer", "minimum": 0, "maximum": 1000000000, "description": "How far"}]},
			"kwargs": {"type": "object", "properties": {"delay_ms": {"description": "Milliseconds before each number"}}},
			"progress": {"type": "integer", "minimum": 1},
			"result": {"type": "string", "const": "done"}}`,
		"demo.grep": `{
			"args": {"type": "array", "items": {"type": "string"}, "description": "Lines"},
			"kwargs": {"type": "object", "properties": {"pattern": {"description": "What to look for; errors unless given"}}},
			"progress": {"type": "string", "description": "A line that has it"},
			"result": {"type": "integer", "minimum": 0, "description": "How many there were"}}`,
		"demo.sha256": `{
			"args": {"type": "array", "items": {"type": "string"}, "description": "Bytes, or texts"},
			"result": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}`,
	}
}

// withSchemas adds to samples what they take and return.
func withSchemas(all ...procedure) []procedure {
	for _, p := range all {
		about, ok := p.options.Custom["_http"].(wamp.Dict)
		text := demoSchema()[string(p.uri)]
		if !ok || text == "" {
			continue
		}
		if schema, err := wamp.JSON.Value([]byte(text)); err == nil { // which a test makes sure of
			about["schema"] = schema
		}
		if p.uri == "demo.grep" || p.uri == "demo.sha256" {
			about["stream"] = wamp.Dict{"in": true}
		}
	}
	return all
}
