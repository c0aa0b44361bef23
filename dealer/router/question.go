package router

import (
	"context"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Ask calls a procedure of a realm in the router's own name and returns the
// arguments of its result, for those who decide something outside of WAMP and
// want an application's word on it. It waits until ctx ends, but not longer
// than Config.AskTimeout. An error that wraps [auth.ErrRefused] is the callee's
// own, any other means that it could not be asked.
func (r *Router) Ask(ctx context.Context, realm, procedure wamp.URI, args []any) ([]any, error) {
	return r.askProcedure(ctx, realm, procedure, args)
}
