// Bench compares the gateway with what one would use instead, and with the
// least that its work can cost. It starts each system as processes of its own
// on this machine, does the same with all in turn, and prints ratios. See
// README.md for what is measured and how.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/wampgate/wampgate/test/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "serve" {
		return serve(ctx, args[1:])
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	return compare(ctx, o)
}

// options are the flags.
type options struct {
	only, scen *regexp.Regexp
	rounds     int
	dur, warm  time.Duration
	quick      bool
	stall, max time.Duration
	sessions   int

	gateway, crossbar string
	url, realm, name  string
	pid               int

	json         string
	updateReadme bool
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "`regexp` of the systems to compare")
	scen := flags.String("scen", "", "`regexp` of the scenarios to run")
	flags.IntVar(&o.rounds, "rounds", 3, "how often to run each")
	flags.DurationVar(&o.dur, "dur", time.Second, "how long to measure")
	flags.BoolVar(&o.quick, "quick", false, "one short round, for a first look")
	flags.DurationVar(&o.stall, "stall", 2*time.Second, "how long the callee sleeps or the caller does not read, under overload")
	flags.IntVar(&o.sessions, "sessions", 10_000, "how many sessions are idle")
	flags.DurationVar(&o.max, "max", 30*time.Minute, "stop after this time whatever is left")
	flags.StringVar(&o.gateway, "gateway", "", "`program` to use as the gateway, instead of building it")
	flags.StringVar(&o.crossbar, "crossbar", "", "`program` to use as Crossbar, instead of installing it")
	flags.StringVar(&o.url, "url", "", "WebSocket `URL` of another router, which runs already on this machine")
	flags.StringVar(&o.realm, "realm", "realm1", "realm to join there, anonymously")
	flags.StringVar(&o.name, "name", "router", "what to call it")
	flags.IntVar(&o.pid, "pid", 0, "its process id, to read what it uses")
	flags.StringVar(&o.json, "json", "", "also append every sample to this `file`, one JSON object a line")
	flags.BoolVar(&o.updateReadme, "update-readme", false, "put the tables into README.md")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.rounds, o.dur, o.stall, o.sessions = 1, 300*time.Millisecond, min(o.stall, 500*time.Millisecond), min(o.sessions, 1_000)
	}
	o.warm = max(o.dur/3, 200*time.Millisecond)
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, err
	}
	o.scen, err = regexp.Compile(*scen)
	return o, err
}

// compare runs what the options ask for and reports it.
func compare(ctx context.Context, o options) error {
	ctx, stop := context.WithTimeout(ctx, o.max)
	defer stop()
	began := time.Now()
	folder, err := os.MkdirTemp("", "wampgate-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	systems, err := chosen(ctx, o, folder)
	if err != nil {
		return err
	}
	s := suite{systems: systems, rounds: o.rounds, progress: os.Stderr}
	r := report.Report{}
	for _, sc := range scenarios(o) {
		if o.scen.MatchString(sc.Name) || o.scen.MatchString(sc.Group) {
			s.scenarios = append(s.scenarios, sc)
			r.Scenarios = append(r.Scenarios, sc.Scenario)
		}
	}
	for _, sys := range systems {
		r.Systems = append(r.Systems, sys.name)
	}
	r.Samples = s.run(ctx)
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "bench: not everything was run:", context.Cause(ctx))
		o.updateReadme = false
	}
	return publish(o, began, systems, &r)
}

// chosen returns the systems to compare.
func chosen(ctx context.Context, o options, folder string) ([]system, error) {
	var all []system
	wanted := func(name string) bool { return o.only.MatchString(name) }
	if wanted("wampgate") {
		binary := o.gateway
		if binary == "" {
			var err error
			if binary, err = buildGateway(ctx, folder); err != nil {
				return nil, err
			}
		}
		all = append(all, wampgate(binary))
	}
	for _, s := range []system{
		dealerFloor("floor", "pass-through dealer and gateway on coder/websocket "+moduleVersion("github.com/coder/websocket")),
		dealerFloor("floor-raw", "the same with framing of its own"),
		netHTTP(),
		natsRequestReply(),
		grpcGateway(),
	} {
		if wanted(s.name) {
			all = append(all, s)
		}
	}
	if wanted("Crossbar") {
		binary := o.crossbar
		var err error
		if binary == "" {
			binary, err = installCrossbar(ctx)
		}
		if err == nil {
			all = append(all, crossbar(binary))
		} else {
			fmt.Fprintln(os.Stderr, "bench: without Crossbar:", err)
		}
	}
	if o.url != "" {
		all = append(all, anyRouter(o))
	}
	return all, nil
}

// publish prints the report, and puts it where the options say.
func publish(o options, began time.Time, systems []system, r *report.Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %s; %s of %v in %v. Other processes used %.0f %% of the processors meanwhile, at most %.0f %%.\n\n",
		began.Format(time.DateOnly), machine(), counted(o.rounds, "round"), o.dur, time.Since(began).Round(time.Second), 100*r.Foreign().Median, 100*r.Foreign().Max)
	for _, s := range systems {
		fmt.Fprintf(&b, "- %s: %s\n", s.name, s.about)
	}
	b.WriteByte('\n')
	if err := r.Write(&b); err != nil {
		return err
	}
	if _, err := io.Copy(os.Stdout, strings.NewReader(b.String())); err != nil {
		return err
	}
	if o.json != "" {
		if err := appendSamples(o.json, r.Samples); err != nil {
			return err
		}
	}
	if !o.updateReadme {
		return nil
	}
	document, err := os.ReadFile("README.md")
	if err != nil {
		return err
	}
	text, err := report.Replace(string(document), b.String())
	if err != nil {
		return fmt.Errorf("README.md: %w", err)
	}
	return os.WriteFile("README.md", []byte(text), 0o644)
}

func appendSamples(name string, samples []report.Sample) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	for _, s := range samples {
		if err := enc.Encode(s); err != nil {
			_ = f.Close()
			return err
		}
	}
	return f.Close()
}
