// Package generate writes the OpenAPI document of a gateway: the procedures that
// somebody may call, each with a path of its own, among the paths that every
// gateway has.
//
// The paths that every gateway has stand in fixed.yaml. Procedures are made of
// what their callees tell, who are not trusted: see openapi.ForeignSchema. The
// same procedures always come to the same bytes.
package generate
