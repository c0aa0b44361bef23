package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/gateway/problem"
)

// guarded refuses requests that no handler should see: those with a URI that
// is too long, for a host that is not ours, or from a page of another origin.
func (g *Gateway) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.guard(r); err != nil {
			g.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) guard(r *http.Request) error {
	if g.leaving.Load() && !ends(r.URL.Path) {
		return unavailable("the gateway is shutting down").With("Connection", "close")
	}
	if len(r.URL.EscapedPath()) > g.cfg.MaxPath {
		return problem.New(http.StatusRequestURITooLong, uriTooLong, "the path is longer than "+sizeText(int64(g.cfg.MaxPath)))
	}
	if len(r.URL.RawQuery) > g.cfg.MaxQuery {
		return problem.New(http.StatusRequestURITooLong, uriTooLong,
			"the query is longer than "+sizeText(int64(g.cfg.MaxQuery))+"; send arguments in the body of a POST")
	}
	if g.cfg.Hosts != nil && !g.ourHost(r.Host) {
		return problem.New(http.StatusMisdirectedRequest, uriMisdirected,
			fmt.Sprintf("the host %s is not served here", quoteShort(r.Host)))
	}
	if err := g.csrf.Check(r); err != nil {
		return problem.New(http.StatusForbidden, uriForbidden, "pages of other origins may not call").Because(err)
	}
	return nil
}

// ourHost reports whether a Host header names this gateway: a loopback name or
// address, or a name from the configuration.
func (g *Gateway) ourHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(g.cfg.Hosts, host) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
