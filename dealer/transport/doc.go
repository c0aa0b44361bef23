// Package transport carries WAMP sessions over WebSocket and RawSocket: frames
// in, frames out, nothing of what they mean.
//
// coder/websocket makes the handshake of the server's connections, and is the
// client of [Dial]. Frames are this package's own, both ways, because that is
// where the time goes. Those that come are taken apart by a [reader], which
// hands out most messages where they lie in the input. Those that leave
// collect in the connection's [outbox], ready for the wire, and go in one
// write when the goroutine that routed them has nothing left to read. That
// moment is seen where the [socket] would have to wait for input. What the
// kernel does not take at once is left to a goroutine of the slow connection's
// own.
//
// The two differ in their handshakes, in their frames (frame.go and prefix.go)
// and in how they end. The batched variants of WebSocket's subprotocols, in
// batch.go, are merged when they are written, and cut when they were read.
//
// Goroutines of a connection: one that reads, decodes, steps the realm and
// starts writes; and one that writes, from the first time that it is needed.
// [Handler.Shutdown] waits for them. A connection that waits for input holds no
// buffer.
package transport
