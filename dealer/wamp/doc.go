// Package wamp is the vocabulary of WAMP version 2: messages, IDs, URIs,
// predefined errors, feature names and the three serializers (JSON,
// MessagePack, CBOR).
//
// Arguments are bytes. A [Payload] keeps the encoding of its sender; it is
// transcoded only when the receiver speaks another serializer, and decoded
// only where somebody has to look inside.
//
// The package does no I/O, starts no goroutine, takes no lock and reads no
// clock.
package wamp
