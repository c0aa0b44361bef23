package gateway

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// What tests of package gateway_test need from inside.
var ErrShutdown = errShutdown

// Routes returns the routes that g has.
func Routes(g *Gateway) chi.Routes { return g.router(http.NotFound) }
