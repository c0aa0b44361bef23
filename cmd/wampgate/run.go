package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"

	"github.com/alecthomas/kong"
)

// The exit codes. 28 is curl's for a timeout, 130 the shell's for SIGINT.
const (
	exitOK          = 0
	exitFailed      = 1 // the callee answered with an error; a server could not start
	exitUsage       = 2 // the command line or the configuration is wrong
	exitRefused     = 4 // the gateway refused the call (status 4xx)
	exitUnavailable = 5 // the gateway or the callee is not there (status 5xx)
	exitTimeout     = 28
	exitInterrupted = 130
)

// A process is what a command may know of the process it runs in, so that
// tests can run many in one.
type process struct {
	Args   []string // without the program's name
	Env    []string // "KEY=value"
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// commands is the command line, read by kong.
type commands struct {
	Help helpFlag `short:"h" help:"Show help."`

	Dev          devCommand          `cmd:"" set:"admin=" set:"rate=0" set:"shed=0" set:"metakill=true" help:"Run a gateway with sample procedures on this machine."` //nolint:staticcheck // kong takes several
	Serve        serveCommand        `cmd:"" help:"Run a gateway."`
	CheckConfig  checkConfigCommand  `cmd:"" help:"Print the configuration that serve would use, defaults included."`
	Config       configCommand       `cmd:"" help:"Tell of the configuration file."`
	Openapi      openapiCommand      `cmd:"" name:"openapi" help:"Check and compare OpenAPI documents."`
	Call         callCommand         `cmd:"" help:"Call a procedure through a gateway."`
	Register     registerCommand     `cmd:"" help:"Make a command a procedure."`
	Procs        procsCommand        `cmd:"" help:"List the procedures of a realm."`
	Ps           psCommand           `cmd:"" help:"List the sessions of a realm."`
	Kill         killCommand         `cmd:"" help:"End sessions of a realm."`
	Calls        callsCommand        `cmd:"" help:"List, show and cancel persistent calls."`
	Deadletters  deadlettersCommand  `cmd:"" name:"deadletters" help:"List, retry and discard persistent calls that were given up."`
	Transactions transactionsCommand `cmd:"" help:"List, show and end transactions."`
	Health       healthCommand       `cmd:"" help:"Ask a gateway whether it is alive."`
	HashPassword hashPasswordCommand `cmd:"" help:"Print what the configuration keeps of a password."`
	Keygen       keygenCommand       `cmd:"" help:"Make a key pair for cryptosign."`
	Token        tokenCommand        `cmd:"" help:"Make an API key."`
	Version      versionCommand      `cmd:"" help:"Print the version."`
}

// An exitError ends the program with a code; err is printed unless it is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// errHelpShown ends the parsing of a command line that asks for help.
var errHelpShown = errors.New("help was shown")

// helpFlag is kong's own help flag without its call of os.Exit.
type helpFlag bool

// BeforeReset prints the help as soon as the flag is seen.
func (helpFlag) BeforeReset(kctx *kong.Context) error {
	if err := kctx.PrintUsage(false); err != nil {
		return err
	}
	return errHelpShown
}

// run runs the command that p.Args name and returns the exit code. It returns
// when everything that it started has stopped; the end of ctx stops it.
func run(ctx context.Context, p process) int {
	err := runCommand(ctx, &p)
	if err == nil || errors.Is(err, errHelpShown) {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitFailed, err}
	}
	if exit.err != nil {
		_, _ = fmt.Fprintln(p.Stderr, "wampgate:", exit.err)
	}
	return exit.code
}

func runCommand(ctx context.Context, p *process) error {
	sources := newSources(p.Env)
	parser, err := newParser(p, sources, &commands{})
	if err != nil {
		return err
	}
	kctx, err := parser.Parse(protectNegatives(p.Args))
	if err != nil {
		return usageError(err)
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	return kctx.Run(p, sources)
}

func newParser(p *process, sources *sources, into *commands) (*kong.Kong, error) {
	return kong.New(into,
		kong.Name("wampgate"),
		kong.Description("Call WAMP procedures over HTTP. See 'wampgate COMMAND --help'."),
		kong.Writers(p.Stdout, p.Stderr),
		kong.NoDefaultHelp(),
		kong.Vars{
			"url":  "http://127.0.0.1:8080",
			"cpus": strconv.Itoa(runtime.NumCPU()),
			// defaults that dev has others of
			"admin":    "127.0.0.1:8081",
			"metakill": "false",
			"rate":     "100",
			"shed":     "50ms",
		},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Resolvers(sources),
		kong.Bind(sources),
	)
}

// usageError makes err end the program with exitUsage.
func usageError(err error) error {
	if errors.Is(err, errHelpShown) {
		return err
	}
	return &exitError{exitUsage, err}
}
