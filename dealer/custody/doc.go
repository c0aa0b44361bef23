// Package custody is what those have in common to whom the dealer hands calls over
// inside this process: who keeps persistent calls, and who coordinates
// transactions (package dealer, Peer.Keeps and Peer.Coordinates).
//
// Each has a [Session] in each realm, which brings what comes to its [Handler],
// answers the CALLs that were handed over, and makes CALLs of its own. What they
// keep belongs to an [Owner].
package custody
