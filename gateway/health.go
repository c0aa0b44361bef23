package gateway

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/wampgate/wampgate/gateway/problem"
)

// healthz answers as long as the process lives.
func (g *Gateway) healthz(w http.ResponseWriter, _ *http.Request) error {
	plain(w, "ok\n")
	return nil
}

// readyz answers whether calls are taken.
func (g *Gateway) readyz(w http.ResponseWriter, _ *http.Request) error {
	if err := g.Ready(); err != nil {
		return err
	}
	plain(w, "ready\n")
	return nil
}

// Ready returns nil while calls are taken; else a problem, which says why not.
func (g *Gateway) Ready() error {
	if g.draining.Load() {
		return unavailable("the gateway is draining")
	}
	if shedLevel(g.overload.level.Load()) == shedDeaf {
		return problem.New(http.StatusServiceUnavailable, uriOverloaded, "calls wait too long before they are begun").Safe().RetrySoon()
	}
	return nil
}

// welcome tells who comes with a browser, or with curl, what this is.
func (g *Gateway) welcome(w http.ResponseWriter, r *http.Request) error {
	at := "http://" + r.Host
	if r.TLS != nil {
		at = "https://" + r.Host
	}
	plain(w, fmt.Sprintf(`wampgate: call WAMP procedures over HTTP, realm %[2]s

  curl --json '[2,3]' %[1]s/call/demo.add
  curl --json '{"name":"Ada"}' %[1]s/call/demo.greet
  curl -N -H 'Accept: text/event-stream' --json '[3]' %[1]s/call/demo.count
  curl -X POST -T - %[1]s/call/demo.sha256 < file
  curl %[1]s/procedures

The page %[1]s/docs calls, too, and has a reference of all this.
A JSON list becomes the positional arguments of the call, an object the keyword
arguments. Hanging up cancels the call. WAMP clients connect to %[1]s/ws
`, at, g.cfg.Realm))
	return nil
}

// plain answers 200 with text.
func plain(w http.ResponseWriter, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(text)) //nolint:gosec // the Host header in it is text/plain, and nosniff
}

// notFound is for paths that lead nowhere.
func (g *Gateway) notFound(_ http.ResponseWriter, r *http.Request) error {
	return problem.New(http.StatusNotFound, uriNotFound,
		fmt.Sprintf("nothing is at %s; calls go to POST /call/{procedure}", r.URL.Path))
}
