package main

import (
	"errors"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/gateway/webhook"
)

// webhooks returns the way to the servers that register to be called: where
// roles say who may do that, or the operator opened some of the inside.
func (s *settings) webhooks() *webhook.Client {
	allow, _ := authn.ParseProxies(s.WebhookAllow) // which have been checked
	if !s.guarded() && len(allow) == 0 {
		return nil
	}
	return webhook.New(webhook.Config{Allow: allow, MaxBody: int64(s.MaxMessage)})
}

// calleeRoles are the roles of the sessions that register over HTTP.
func calleeRoles() wamp.Roles {
	return wamp.Roles{Callee: true, CalleeFeatures: wamp.FeatureProgressiveCallResults |
		wamp.FeatureCallTimeout | wamp.FeatureCallCanceling | wamp.FeatureCallerIdentification | wamp.FeatureRegistrationRevocation}
}

// A calleeOutbox tells the router in its own words that a callee has no room.
type calleeOutbox struct{ gateway.Outbox }

// Push implements router.Outbox.
func (o calleeOutbox) Push(m wamp.Message) error {
	err := o.Outbox.Push(m)
	if errors.Is(err, gateway.ErrFull) {
		return router.ErrFull
	}
	return err
}
