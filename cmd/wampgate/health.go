package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthTimeout is how long a gateway that is well may take to say so.
const healthTimeout = 3 * time.Second

type healthCommand struct {
	trust
	URL    string `group:"Gateway" name:"url" help:"Where the gateway is; default is where --listen says, on this machine."`
	Listen string `group:"Gateway" default:"127.0.0.1:8080" placeholder:"ADDR" help:"The address that the gateway was told to listen on."`
	Ready  bool   `help:"Ask whether it accepts calls, not only whether it lives."`
}

// Run succeeds if the gateway answers that it is well. It serves as health
// check where there is no shell and no curl.
func (c *healthCommand) Run(ctx context.Context, p *process) error {
	if c.URL == "" {
		addr, err := net.ResolveTCPAddr("tcp", c.Listen)
		if err != nil {
			return &exitError{exitUsage, fmt.Errorf("--listen: %w", err)}
		}
		c.URL = "http://" + reachable(addr)
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+path, nil)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	resp, err := c.do(context.WithoutCancel(ctx), req, c.URL)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is lost with it
	if resp.StatusCode != http.StatusOK {
		return &exitError{exitUnavailable, fmt.Errorf("%s%s: %s", c.URL, path, resp.Status)}
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxProblem)); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, "ok")
	return err
}
