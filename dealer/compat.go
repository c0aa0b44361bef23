package dealer

import (
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// calleeFeatures returns what a peer can do as callee. In a strict realm that
// is what it announced; in a lenient one, known agents can do more.
func calleeFeatures(p Peer, strict bool) wamp.Features {
	features := p.Roles.CalleeFeatures
	if strict {
		return features
	}
	return features | unannounced(p.Agent)
}

// unannounced returns the callee features that clients with this agent string
// have and do not announce. FeatureCallCanceling never belongs here: a client
// that does not know INTERRUPT closes its connection when it gets one.
func unannounced(agent string) wamp.Features {
	if strings.HasPrefix(agent, "Wampy.js") {
		return wamp.FeatureProgressiveCallResults | wamp.FeatureProgressiveCallInvocations
	}
	return 0
}

// progressive reports whether the callee may be trusted with feature, one of
// the two progressive ones. The specification asks for call_canceling beside
// them; many clients have the one and not the other.
func (s *session) progressive(feature wamp.Features) bool {
	if s.dealer.config.Strict {
		feature |= wamp.FeatureCallCanceling
	}
	return s.callee.Has(feature)
}

// keepsTimeouts reports whether the callee enforces timeouts by itself for a
// registration. In a lenient realm having asked for it is announcement enough.
func (s *session) keepsTimeouts(forwardTimeout bool) bool {
	return forwardTimeout && (!s.dealer.config.Strict || s.callee.Has(wamp.FeatureCallTimeout))
}
