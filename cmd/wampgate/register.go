package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os/exec"
	"strings"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

type registerCommand struct {
	login
	URL    string `group:"Gateway" name:"url" default:"${url}" help:"Where the gateway, or another WAMP router, is (http, https, ws or wss)."`
	Realm  string `group:"Gateway" default:"realm1" placeholder:"URI" help:"Realm to join."`
	Invoke string `default:"single" enum:"single,roundrobin,random,first,last" help:"Which of several callees gets a call: ${enum}."`

	Jobs      int    `short:"j" default:"${cpus}" help:"Commands that run at once; more calls wait."`
	Lines     bool   `help:"Send each line of output at once, as a progressive result."`
	Output    string `default:"auto" enum:"auto,json,text" help:"What the command prints: JSON, text, or JSON if it is valid and else text."`
	MaxOutput size   `default:"4MiB" help:"Bytes that a command may print."`

	Procedure string   `arg:"" name:"uri" help:"URI to register."`
	Command   []string `arg:"" name:"command" passthrough:"" help:"Command and its arguments, after --."`
}

// Help is what kong prints below the summary of the command.
func (*registerCommand) Help() string {
	return `The command is started for each call. On its standard input it finds one line
of JSON, {"args":[...],"kwargs":{...}}; a call with streamed input has one for
each item. What it prints is the result: nothing, or one argument. If it fails,
the call does, with the end of its standard error. A canceled call's command and
its children get SIGTERM, and SIGKILL two seconds later.`
}

// Run registers the procedure and serves it until ctx ends.
func (c *registerCommand) Run(ctx context.Context, p *process) error {
	router, err := routerURL(c.URL)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.checkWAMP(p); err != nil {
		return &exitError{exitUsage, err}
	}
	client, err := c.client()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	stderr := &sharedWriter{w: p.Stderr}
	command, err := c.command(stderr)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	log := newLog(stderr, "text", slog.LevelInfo)
	callee := &callee{
		url:    router,
		client: client,
		join: func(ctx context.Context, conn *transport.Conn, hello *wamp.Hello) (*wamp.Welcome, error) {
			return c.join(ctx, p, conn, hello) // a file may hold a new token by now
		},
		serializer: wamp.JSON, // so that the command gets what was sent
		realm:      wamp.URI(c.Realm),
		procedures: []procedure{{wamp.URI(c.Procedure), wamp.RegisterOptions{Invoke: invokePolicy(c.Invoke)}, command.serve}},
		log:        log,
	}
	err = callee.serve(ctx, func() { log.Info("registered", "procedure", c.Procedure, "router", router, "realm", c.Realm) })
	var no *refusal
	if errors.As(err, &no) {
		return &exitError{exitRefused, err}
	}
	return err
}

func (c *registerCommand) command(stderr io.Writer) (*command, error) {
	words := c.Command
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		return nil, errors.New("which command? Write it after --")
	}
	_, err := exec.LookPath(words[0])
	switch {
	case err != nil:
		return nil, err
	case !wamp.URI(c.Procedure).Valid():
		return nil, fmt.Errorf("%q is not a WAMP URI", c.Procedure)
	case c.Jobs < 1:
		return nil, errors.New("--jobs: must be more than 0")
	}
	return &command{
		words:     words,
		lines:     c.Lines,
		output:    c.Output,
		maxOutput: int(c.MaxOutput),
		stderr:    stderr,
		slots:     make(chan struct{}, c.Jobs),
	}, nil
}

func invokePolicy(name string) wamp.InvokePolicy {
	for p := wamp.InvokeSingle; p < wamp.InvokeUnknown; p++ {
		if p.String() == name {
			return p
		}
	}
	return wamp.InvokeUnknown
}

// routerURL makes the URL of a WebSocket of a gateway's own URL; the URL of a
// WebSocket stays as it is.
func routerURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("--url: %q is not a URL, such as ws://127.0.0.1:8080/ws", s)
	}
	switch u.Scheme {
	case "ws", "wss":
		return s, nil
	case "http", "https":
		u.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
		return u.JoinPath("ws").String(), nil
	}
	return "", fmt.Errorf("--url: %q is none of http, https, ws and wss", u.Scheme)
}
