// Package floor is a throw-away WAMP dealer that hands calls through: ids are
// rewritten, arguments are copied once and never decoded, and nothing else is
// done. There is no authentication, authorization, cancel, timeout, limit or
// transcoding, and a wrong message ends the connection. It says what this
// machine, the network and a WebSocket library allow, which is what a dealer
// with all the rules is to be measured against.
package floor
