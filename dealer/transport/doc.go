// Package transport carries WAMP sessions over WebSocket: frames in, frames
// out, nothing of what they mean.
//
// coder/websocket does the handshake, reads, and answers pings and closes.
// Data frames are written by this package, because a message a write is what
// makes routers slow: the messages for a connection collect in its [outbox]
// as ready frames, and leave in one write when the goroutine that routed them
// has nothing left to read. That moment is seen where coder/websocket reads
// from the network connection ([socket]). What the kernel does not take at
// once is left to a goroutine of the slow connection's own.
//
// Goroutines of a connection: one that reads, decodes, steps the realm and
// starts writes; and one that writes, from the first time that it is needed.
// [Handler.Shutdown] waits for them. A connection that waits for input holds no
// buffer.
package transport
