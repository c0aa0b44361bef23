package main

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"github.com/alecthomas/kong"

	"github.com/wampgate/wampgate/dealer/wamp"
)

type devCommand struct {
	Mock string `placeholder:"FILE" help:"Also serve the operations of an OpenAPI document, answered by its examples."`

	settings
}

// Run serves, together with a callee that offers the sample procedures over
// WebSocket, until ctx ends. It says where when the samples can be called.
func (c *devCommand) Run(ctx context.Context, kctx *kong.Context, p *process, s *sources) error {
	log, stop := newBufferedLog(ctx, p.Stderr, c.LogFormat, logLevel(c.LogLevel))
	defer stop()
	if c.Mock != "" {
		c.imports = []importSpec{mockImport(c.Mock)}
	}
	n, err := newNode(&c.settings, log)
	if err != nil {
		return err
	}
	n.config = newEffective(kctx, s)
	return n.serve(ctx, func(ctx context.Context) error {
		if err := n.startDemo(ctx, wamp.URI(c.Realm[0]), log); err != nil {
			return err
		}
		if c.Mock != "" {
			if err := n.startMock(ctx, wamp.URI(c.Realm[0]), c.Mock); err != nil {
				return err
			}
		}
		return n.announce(p.Stdout)
	})
}

// startDemo starts the callees of the sample procedures and waits until all of
// them are registered. They stop when ctx ends; n waits for them.
func (n *node) startDemo(ctx context.Context, realm wamp.URI, log *slog.Logger) error {
	url, client := n.scheme("ws")+"://"+reachable(n.listener.Addr())+"/ws", n.selfClient()
	return n.startCallees(ctx, []*callee{
		{url: url, client: client, serializer: wamp.JSON, realm: realm, procedures: demoProcedures(), log: log},
		{url: url, client: client, serializer: wamp.JSON, realm: realm, procedures: demoStreams(), log: log},
		{url: url, client: client, serializer: wamp.MsgPack, realm: realm, procedures: demoBytes(), log: log},
	})
}

// startCallees starts callees and waits until all of them are registered. They
// stop when ctx ends; n waits for them.
func (n *node) startCallees(ctx context.Context, callees []*callee) error {
	ready, failed := make(chan struct{}, len(callees)), make(chan error, len(callees))
	for _, c := range callees {
		var once sync.Once
		n.work.Go(func() {
			err := c.serve(ctx, func() { once.Do(func() { ready <- struct{}{} }) })
			if err != nil {
				failed <- err
			}
		})
	}
	for range callees {
		select {
		case <-ready:
		case err := <-failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// reachable returns the address under which this machine reaches a listener,
// which may listen on all of its addresses.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	loopback := net.TCPAddr{IP: net.IPv6loopback, Port: tcp.Port}
	if tcp.IP.To4() != nil {
		loopback.IP = net.IPv4(127, 0, 0, 1)
	}
	return loopback.String()
}
