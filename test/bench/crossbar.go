package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/wampgate/wampgate/test/bench/load"
	"github.com/wampgate/wampgate/test/bench/proc"
	"github.com/wampgate/wampgate/test/bench/wire"
)

// crossbarVersion is what is installed from PyPI.
const crossbarVersion = "26.10.1"

// crossbar is Crossbar.io, with its HTTP bridge for callers.
func crossbar(binary string) system {
	return system{name: "Crossbar", about: crossbarVersion + " with its HTTP caller bridge", start: func(ctx context.Context) (*running, error) {
		dir, err := os.MkdirTemp("", "wampgate-bench-crossbar")
		if err != nil {
			return nil, err
		}
		r, err := startCrossbar(ctx, binary, dir)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		return r, nil
	}}
}

func startCrossbar(ctx context.Context, binary, dir string) (*running, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(crossbarConfig(addr.Port))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		return nil, err
	}
	server, err := proc.Start(dir, binary, "start", "--cbdir", dir, "--loglevel", "warn")
	if err != nil {
		return nil, err
	}
	r := &running{
		server:   server,
		router:   load.Router{URL: "ws://" + addr.String() + "/ws", Realm: "realm1"},
		endpoint: load.Endpoint{URL: "http://" + addr.String() + "/call", Body: `{"procedure":"` + httpProcedure + `","args":[` + jsonText + `]}`},
		cleanup:  func() { _ = os.RemoveAll(dir) },
	}
	if err := awaitRouter(ctx, r); err != nil {
		r.stop()
		return nil, err
	}
	return withCallee(ctx, r)
}

// freeAddress returns an address that nobody listens on just now.
func freeAddress(ctx context.Context) (*net.TCPAddr, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		err = fmt.Errorf("%v is no TCP address", l.Addr())
	}
	return addr, errors.Join(err, l.Close())
}

// awaitRouter tries until a session can join.
func awaitRouter(ctx context.Context, r *running) error {
	for {
		err := load.Probe(ctx, r.router, wire.JSON())
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
		if ctx.Err() != nil || r.server.Exited() {
			return r.server.Failure(err)
		}
	}
}

// crossbarConfig lets everybody do everything in one realm.
func crossbarConfig(port int) any {
	type object = map[string]any
	anything := object{"uri": "", "match": "prefix", "allow": object{"call": true, "register": true, "publish": true, "subscribe": true}}
	return object{
		"version":    2,
		"controller": object{},
		"workers": []any{object{
			"type": "router",
			"realms": []any{object{
				"name":  "realm1",
				"roles": []any{object{"name": "anonymous", "permissions": []any{anything}}},
			}},
			"transports": []any{object{
				"type":     "web",
				"endpoint": object{"type": "tcp", "port": port, "interface": "127.0.0.1", "backlog": 1024},
				"paths": object{
					"/":    object{"type": "json", "value": object{}},
					"ws":   object{"type": "websocket", "serializers": []any{"json", "msgpack", "cbor"}},
					"call": object{"type": "caller", "realm": "realm1", "role": "anonymous"},
				},
			}},
		}},
	}
}

// installCrossbar installs Crossbar into a virtual environment in the cache
// folder, unless it is there, and returns its program.
func installCrossbar(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "wampgate-bench", "crossbar-"+crossbarVersion)
	binary := filepath.Join(dir, "bin", "crossbar")
	if exec.CommandContext(ctx, binary, "version").Run() == nil {
		return binary, nil
	}
	const script = `rm -rf "$0" && python3 -m venv "$0" && "$0/bin/pip" install -q --disable-pip-version-check "crossbar==$1"`
	cmd := exec.CommandContext(ctx, "sh", "-c", script, dir, crossbarVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install crossbar: %w\n%s", err, out)
	}
	return binary, nil
}
