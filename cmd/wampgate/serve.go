package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// fileSettings are settings that may also come from a file.
type fileSettings struct {
	Config    string `short:"c" placeholder:"FILE" help:"Configuration file (YAML); also WAMPGATE_CONFIG."`
	Anonymous bool   `group:"Access" negatable:"" default:"false" help:"Let anybody in, as role anonymous."`

	settings
}

type serveCommand struct{ fileSettings }

// Run serves until ctx ends, and drains. Meanwhile the file may change.
func (c *serveCommand) Run(ctx context.Context, kctx *kong.Context, p *process, s *sources) error {
	if err := c.mayServe(s); err != nil {
		return err
	}
	c.access, c.anonymous, c.imports, c.descriptions = s.access, c.Anonymous, s.imports, s.descriptions
	var level slog.LevelVar
	level.Set(logLevel(c.LogLevel))
	log, stop := newBufferedLog(ctx, p.Stderr, c.LogFormat, &level)
	defer stop()
	n, err := newNode(&c.settings, log)
	if err != nil {
		return err
	}
	n.level = &level
	reloader, release := newReloader(n, p, s, settingValues(kctx))
	defer release()
	n.reloader = reloader
	n.config = newEffective(kctx, s)
	return n.serve(ctx, func(context.Context) error { return n.announce(p.Stdout) })
}

// mayServe refuses settings under which nobody could call anything, or that do
// not go together.
func (c *fileSettings) mayServe(s *sources) error {
	if section, text := s.access.fault(c.Anonymous, c.Realm); text != "" {
		return &exitError{exitUsage, &settingError{fmt.Sprintf("%s:%d", s.path, s.access.lines[section]), text}}
	}
	if c.Anonymous || s.access.known() {
		return nil
	}
	where := "the configuration file"
	if s.path != "" {
		where = s.path
	}
	return &exitError{exitUsage, fmt.Errorf(`nobody may call anything, so there is nothing to serve
  To let anybody in who reaches %s, put "anonymous: true" into %s,
  or set WAMPGATE_ANONYMOUS=true, or give --anonymous.
  To let in those you know, name them there under "principals" and "roles".
  To try things out on this machine run 'wampgate dev'`, c.Listen, where)}
}

type checkConfigCommand struct {
	fileSettings

	Explain  bool     `help:"Say whether AUTHID may do ACTION (call, register, register_http, meta, admin) with URI, and why."`
	Question []string `arg:"" optional:"" placeholder:"AUTHID URI ACTION" help:"What --explain is about."`
}

// Run prints the settings in force, each with the place where it was made, as
// a configuration file. Of roles and principals it tells in comments, and
// secrets it prints never.
func (c *checkConfigCommand) Run(kctx *kong.Context, p *process, s *sources) error {
	if c.Explain || len(c.Question) > 0 {
		return c.explain(p, s)
	}
	for _, flag := range kctx.Flags() {
		if flag.Group == nil {
			continue
		}
		line := flag.Name + ": " + yamlValue(withoutSecrets(flag.Name, kctx.FlagValue(flag)))
		if _, err := fmt.Fprintf(p.Stdout, "%-44s # %s\n", line, s.where(flag.Name)); err != nil {
			return err
		}
	}
	for _, line := range s.describe() {
		if _, err := fmt.Fprintln(p.Stdout, line); err != nil {
			return err
		}
	}
	if _, err := loadImports(s.imports, &c.settings, nil); err != nil {
		return &exitError{exitUsage, err}
	}
	return c.mayServe(s)
}

// explain prints whether somebody may do something; if not, the exit code is
// exitRefused.
func (c *checkConfigCommand) explain(p *process, s *sources) error {
	if err := c.mayServe(s); err != nil {
		return err
	}
	answer, may, err := s.access.explain(c.Question, c.Anonymous)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if _, err := fmt.Fprintln(p.Stdout, answer); err != nil || may {
		return err
	}
	return &exitError{exitRefused, nil}
}

// yamlValue writes the value of a setting as YAML would have it.
func yamlValue(v any) string {
	switch v := v.(type) {
	case []string:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = yamlValue(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case string:
		if v == "" || strings.ContainsAny(v, "*#[]{}&!|>'\"%@`") {
			return strconv.Quote(v)
		}
	}
	return fmt.Sprint(v)
}

// BeforeResolve reads the file and the environment and refuses what no setting
// takes.
func (*settings) BeforeResolve(kctx *kong.Context, s *sources) error {
	path := ""
	for _, flag := range kctx.Flags() {
		if flag.Name == "config" {
			path, _ = kctx.FlagValue(flag).(string)
			if path == "" {
				path = s.env[variable("config")]
			}
		}
	}
	return s.load(kctx.Flags(), path)
}

// AfterApply checks the settings and says of each fault where it was made.
func (c *settings) AfterApply(kctx *kong.Context, s *sources) error {
	for _, step := range kctx.Path {
		if step.Flag != nil && !step.Resolved {
			s.made[step.Flag.Name] = "--" + step.Flag.Name
		}
	}
	c.stateDir = stateDir(runtime.GOOS, s.environ)
	var errs []error
	for _, f := range c.faults() {
		errs = append(errs, &settingError{s.where(f.name), f.name + ": " + f.text})
	}
	return errors.Join(errs...)
}
