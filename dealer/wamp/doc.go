// Package wamp is the vocabulary of WAMP version 2: messages, IDs, URIs,
// predefined errors, feature names and the three serializers (JSON,
// MessagePack, CBOR).
//
// Arguments are bytes. A [Payload] keeps the encoding of its sender; it is
// transcoded only when the receiver speaks another serializer, and decoded
// only where somebody has to look inside.
//
// A [Decoder] reads the messages of one connection, [Serializer.Append] writes
// them. Both walk the layout of a message, which is written down once, and are
// told apart by the serializer in the scanner below the one and the writer
// below the other. The scanner checks every byte of a payload while it looks
// for its end, and allocates nothing for it: lengths that a message claims are
// compared with what is left of it first, and nesting ends at [MaxDepth].
//
// The package does no I/O, starts no goroutine, takes no lock and reads no
// clock.
package wamp
