package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/wampgate/wampgate/test/bench/floor"
	"github.com/wampgate/wampgate/test/bench/load"
	"github.com/wampgate/wampgate/test/bench/rivals"
	"github.com/wampgate/wampgate/test/bench/wire"
)

// httpProcedure is what HTTP requests call. It is the path that grpc-gateway
// serves, and a subject of NATS.
const httpProcedure = "bench.echo"

// serve is what this program does in the processes it starts of itself: it
// serves what the first argument names until standard input ends, and says on
// standard output where.
func serve(ctx context.Context, args []string) error {
	ctx, stop := context.WithCancel(ctx)
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	url := flags.String("url", "", "where the server is that this one belongs to")
	realm := flags.String("realm", "", "realm to join there")
	if len(args) == 0 {
		return errors.New("serve what?")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	ready := func() { announce("ready") }
	switch args[0] {
	case "floor", "floor-raw":
		return serveHTTP(ctx, floorHandler(args[0] == "floor-raw"), "")
	case "net-http":
		return serveHTTP(ctx, http.HandlerFunc(rivals.EchoHTTP), "")
	case "nats":
		return serveNATS(ctx)
	case "nats-responder":
		return rivals.RespondNATS(ctx, *url, httpProcedure, ready)
	case "grpc":
		return listen(ctx, "", func(l net.Listener) error { return rivals.ServeGRPC(ctx, l) })
	case "grpc-gateway":
		handler, err := rivals.NewGRPCGateway(*url)
		if err != nil {
			return err
		}
		return serveHTTP(ctx, handler, "")
	case "callee":
		return load.ServeEcho(ctx, load.Router{URL: *url, Realm: *realm}, wire.JSON(), httpProcedure, ready)
	}
	return fmt.Errorf("serve %s: no such thing", args[0])
}

// floorHandler serves the pass-through dealer and its gateway.
func floorHandler(raw bool) http.Handler {
	d := floor.NewDealer()
	mux := http.NewServeMux()
	mux.Handle("/call/", floor.NewGateway(d))
	if raw {
		mux.HandleFunc("/ws", d.ServeRaw)
	} else {
		mux.HandleFunc("/ws", d.ServeCoder)
	}
	return mux
}

func serveNATS(ctx context.Context) error {
	n, err := rivals.StartNATS()
	if err != nil {
		return err
	}
	defer n.Close()
	return serveHTTP(ctx, n, n.URL())
}

// serveHTTP serves HTTP until ctx ends.
func serveHTTP(ctx context.Context, h http.Handler, more string) error {
	return listen(ctx, more, func(l net.Listener) error {
		server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		defer context.AfterFunc(ctx, func() { _ = server.Close() })()
		return server.Serve(l)
	})
}

// listen takes a free port, says which, and serves on it.
func listen(ctx context.Context, more string, serve func(net.Listener) error) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	announce(l.Addr().String() + " " + more)
	if err := serve(l); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// announce writes a line to whoever started this process.
func announce(line string) { _, _ = fmt.Fprintln(os.Stdout, line) }
