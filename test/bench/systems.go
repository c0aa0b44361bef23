package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/wampgate/wampgate/test/bench/load"
	"github.com/wampgate/wampgate/test/bench/proc"
)

// startTimeout bounds the start of a system.
const startTimeout = 60 * time.Second

// A system is something to put under load.
type system struct {
	name  string
	about string // version, and what else a reader must know
	start func(context.Context) (*running, error)
}

// A running system. Its server is what is measured; backends are what its
// calls end at, in processes of their own.
type running struct {
	pid      int // of the server, 0 if unknown
	server   *proc.Process
	backends []*proc.Process
	router   load.Router   // without URL: it speaks no WAMP
	endpoint load.Endpoint // without URL: it speaks no HTTP
	used     bool          // a scenario has run

	passThrough bool // it cannot transcode, so callees have to speak as callers do
	cleanup     func()
}

// alive tells whether nothing of it has ended.
func (r *running) alive() bool {
	for _, p := range r.backends {
		if p.Exited() {
			return false
		}
	}
	return r.server == nil || !r.server.Exited()
}

func (r *running) stop() {
	for _, p := range r.backends {
		p.Stop()
	}
	if r.server != nil {
		r.server.Stop()
	}
	if r.cleanup != nil {
		r.cleanup()
	}
}

// backendCPU is the CPU time of the backends.
func (r *running) backendCPU() time.Duration {
	var sum time.Duration
	for _, p := range r.backends {
		sum += proc.UsageOf(p.PID()).CPU
	}
	return sum
}

// jsonText is the body of requests to all who take any JSON.
const jsonText = `"` + load.Payload + `"`

// spawn starts a server and waits for the line that says where it is.
func spawn(ctx context.Context, argv ...string) (*proc.Process, string, error) {
	p, err := proc.Start("", argv...)
	if err != nil {
		return nil, "", err
	}
	line, err := p.Line(ctx)
	if err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, line, nil
}

// spawnSelf starts this program to serve something.
func spawnSelf(ctx context.Context, args ...string) (*proc.Process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	return spawn(ctx, append([]string{self, "serve"}, args...)...)
}

// withCallee starts the callee of a server's HTTP requests.
func withCallee(ctx context.Context, r *running) (*running, error) {
	r.pid = r.server.PID()
	callee, _, err := spawnSelf(ctx, "callee", "-url", r.router.URL, "-realm", r.router.Realm)
	if err != nil {
		r.stop()
		return nil, err
	}
	r.backends = append(r.backends, callee)
	return r, nil
}

// wampgate is the product.
func wampgate(binary string) system {
	return system{name: "wampgate", about: "this repository", start: func(ctx context.Context) (*running, error) {
		server, line, err := spawn(ctx, binary, "serve", "--anonymous", "--listen=127.0.0.1:0", "--admin-listen=",
			"--realm=realm1", "--log-level=warn", "--rate=0", "--max-registrations=200000")
		if err != nil {
			return nil, err
		}
		r := &running{server: server, router: load.Router{Realm: "realm1"}}
		for _, field := range strings.Fields(line) {
			switch scheme, _, _ := strings.Cut(field, ":"); scheme {
			case "ws":
				r.router.URL = field
			case "http":
				r.endpoint = load.Endpoint{URL: field + "/call/" + httpProcedure, Body: jsonText}
			}
		}
		return withCallee(ctx, r)
	}}
}

// buildGateway builds the product from source into a folder.
func buildGateway(ctx context.Context, folder string) (string, error) {
	binary := filepath.Join(folder, "wampgate")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join("..", ".."), "-o", binary, "./cmd/wampgate")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	return binary, nil
}

// dealerFloor is the pass-through dealer.
func dealerFloor(name, about string) system {
	return system{name: name, about: about, start: func(ctx context.Context) (*running, error) {
		server, line, err := spawnSelf(ctx, name)
		if err != nil {
			return nil, err
		}
		addr := strings.TrimSpace(line)
		return withCallee(ctx, &running{
			server: server, passThrough: true,
			router:   load.Router{URL: "ws://" + addr + "/ws", Realm: "realm1"},
			endpoint: load.Endpoint{URL: "http://" + addr + "/call/" + httpProcedure, Body: jsonText},
		})
	}}
}

// overHTTP returns a system of this program that speaks HTTP alone.
func overHTTP(server *proc.Process, addr string, backends ...*proc.Process) *running {
	return &running{
		pid: server.PID(), server: server, backends: backends,
		endpoint: load.Endpoint{URL: "http://" + addr + "/call/" + httpProcedure, Body: jsonText},
	}
}

func netHTTP() system {
	return system{name: "net/http", about: "a bare echo, with no procedure behind it", start: func(ctx context.Context) (*running, error) {
		server, addr, err := spawnSelf(ctx, "net-http")
		if err != nil {
			return nil, err
		}
		return overHTTP(server, strings.TrimSpace(addr)), nil
	}}
}

// natsRequestReply has the server of NATS in the process of its HTTP front.
func natsRequestReply() system {
	about := "request/reply behind net/http, nats-server " + moduleVersion("github.com/nats-io/nats-server/v2")
	return system{name: "NATS", about: about, start: func(ctx context.Context) (*running, error) {
		server, line, err := spawnSelf(ctx, "nats")
		if err != nil {
			return nil, err
		}
		addr, url, _ := strings.Cut(line, " ")
		backend, _, err := spawnSelf(ctx, "nats-responder", "-url", url)
		if err != nil {
			server.Stop()
			return nil, err
		}
		return overHTTP(server, addr, backend), nil
	}}
}

func grpcGateway() system {
	about := moduleVersion("github.com/grpc-ecosystem/grpc-gateway/v2") + " before grpc-go " + moduleVersion("google.golang.org/grpc")
	return system{name: "grpc-gateway", about: about, start: func(ctx context.Context) (*running, error) {
		backend, addr, err := spawnSelf(ctx, "grpc")
		if err != nil {
			return nil, err
		}
		server, line, err := spawnSelf(ctx, "grpc-gateway", "-url", strings.TrimSpace(addr))
		if err != nil {
			backend.Stop()
			return nil, err
		}
		return overHTTP(server, strings.TrimSpace(line), backend), nil
	}}
}

// anyRouter is a router that runs already.
func anyRouter(o options) system {
	return system{name: o.name, about: o.url, start: func(context.Context) (*running, error) {
		return &running{pid: o.pid, router: load.Router{URL: o.url, Realm: o.realm}}, nil
	}}
}
