// Package durable keeps calls with trust_level "persistent": they survive their
// caller, their callee and the gateway.
//
// A [Store] is a session in each realm. The dealer hands persistent calls to
// it; it stores them, answers for them, and makes them like any other caller,
// in the name of who made them, as often as it takes. README.md says what is
// promised, and how it is kept.
package durable
