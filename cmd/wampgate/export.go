package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wampgate/wampgate/openapi"
)

// exportTimeout is how long a gateway has to write its document.
const exportTimeout = 30 * time.Second

type openapiExportCommand struct {
	login
	URL     string `group:"Gateway" name:"url" default:"${url}" help:"Where the gateway is."`
	Version string `name:"v" default:"3.1" enum:"3.1,3.2" help:"The version of OpenAPI: ${enum}."`
	YAML    bool   `name:"yaml" help:"Print YAML in place of JSON."`
}

// Help is what kong prints below the summary of the command.
func (*openapiExportCommand) Help() string {
	return `The document holds what the credentials may call at the moment, each procedure as a
path of its own with the schemas that its callee tells. The gateway serves the
same at /openapi.json and /openapi.yaml.`
}

// Run prints the document.
func (c *openapiExportCommand) Run(ctx context.Context, p *process) error {
	base, err := gatewayURL(c.URL)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	name := "/openapi.json"
	if c.YAML {
		name = "/openapi.yaml"
	}
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	target := base + name + "?v=" + c.Version
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.authorize(p, req); err != nil {
		return &exitError{exitUsage, err}
	}
	resp, err := c.do(context.WithoutCancel(ctx), req, c.URL)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is lost with it
	if resp.StatusCode != http.StatusOK {
		return &exitError{exitFailed, fmt.Errorf("%s: %s", target, resp.Status)}
	}
	if _, err := io.Copy(p.Stdout, io.LimitReader(resp.Body, openapi.MaxDocument)); err != nil {
		return brokenOff(ctx, err)
	}
	return nil
}
