// Package wire is WebSocket and WAMP as a load generator wants them: frames
// are parsed out of large reads and collected into large writes, messages are
// encoded once and scanned for their type and id, and arguments are never
// decoded. It takes shortcuts that no product should: it trusts its peer, and
// masks with zeros. It shares no code with the gateway, which it measures.
package wire
