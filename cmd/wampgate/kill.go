package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/wampgate/wampgate/dealer/wamp"
)

type killCommand struct {
	metaOptions
	Authid   string `placeholder:"NAME" help:"Kill all sessions with this authid."`
	Authrole string `placeholder:"NAME" help:"Kill all sessions with this authrole."`
	All      bool   `help:"Kill all sessions."`
	Reason   string `placeholder:"URI" help:"Reason that the killed are told; wamp.close.killed unless given."`
	Message  string `placeholder:"TEXT" help:"Text that the killed are told."`

	Session uint64 `arg:"" optional:"" name:"session" help:"Id of the session, as ps prints it."`
}

// Help is what kong prints below the summary of the command.
func (*killCommand) Help() string {
	return `Killed sessions get a GOODBYE, and their connections are closed; nothing keeps
them from coming back. The gateway must allow it: 'wampgate dev' does, others
need the setting meta-kill. The admin listener needs neither that nor a right:
DELETE /admin/sessions/{id}, and /admin/calls/{id} for a single call.`
}

// Run kills sessions and says how many.
func (c *killCommand) Run(ctx context.Context, p *process) error {
	procedure, args, err := c.victims()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	kwargs := wamp.Dict{}
	if c.Reason != "" {
		kwargs["reason"] = c.Reason
	}
	if c.Message != "" {
		kwargs["message"] = c.Message
	}
	return c.with(ctx, p, func(m *metaClient) error {
		call, err := m.call(procedure, kwargs, args...)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.Stdout, "killed:", killed(call.result))
		return err
	})
}

// victims returns the call that kills those who are meant.
func (c *killCommand) victims() (wamp.URI, []any, error) {
	var procedure wamp.URI
	var args []any
	ways := 0
	if c.Session != 0 {
		procedure, args = "wamp.session.kill", []any{c.Session}
		ways++
	}
	if c.Authid != "" {
		procedure, args = "wamp.session.kill_by_authid", []any{c.Authid}
		ways++
	}
	if c.Authrole != "" {
		procedure, args = "wamp.session.kill_by_authrole", []any{c.Authrole}
		ways++
	}
	if c.All {
		procedure = "wamp.session.kill_all"
		ways++
	}
	if ways != 1 {
		return "", nil, errors.New("kill whom? Give the id of a session, --authid, --authrole or --all, and only one of them")
	}
	return procedure, args, nil
}

// killed returns how many sessions were: the procedures answer with nothing,
// a list of ids, or a number.
func killed(result []any) any {
	if len(result) == 0 {
		return 1
	}
	if ids, ok := result[0].([]any); ok {
		return len(ids)
	}
	return result[0]
}
