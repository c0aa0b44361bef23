// Package openapi is our view of OpenAPI documents: what is read of those that
// others publish, and what is said of our own.
//
// [Load] reads a document of version 3.0 or 3.1 in JSON or YAML. It keeps the
// document as a tree of plain values, lifted to 3.1, and beside it the
// operations in the form that routes are made of. All faults are found at
// once, each with the JSON pointer and the line it stands in. Schemas stay
// where they are in the tree: package openapi/validate compiles them from there.
//
// Nothing here does I/O: a document that refers to another file or address is
// refused.
package openapi
