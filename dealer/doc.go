// Package dealer holds the RPC rules of one WAMP realm as a state machine
// without I/O: a message of a session goes in, the messages it causes come
// out.
//
//	out, err := d.Receive(now, from, message)
//
// Nothing here reads a clock, draws a random number, takes a lock, starts a
// goroutine or writes a log: time and chance are arguments, so the same calls
// in the same order always give the same answers. Package router puts the
// lock, the timer and the queues around it.
//
// Everything that takes part in calls is a session, whether a WebSocket, an
// HTTP principal or a procedure of the router itself stands behind it. Ending
// is one path too: [Dealer.Leave] settles whatever a session leaves behind.
//
// The behavior is specified by the transcripts in testdata; DESIGN.md says
// why it is as it is.
package dealer
