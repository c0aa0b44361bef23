package openapi

import "github.com/goccy/go-yaml"

// YAML returns a document in JSON as YAML, its members in the same order.
func YAML(document []byte) ([]byte, error) { return yaml.JSONToYAML(document) }
