package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wampgate/wampgate/test/bench/load"
	"github.com/wampgate/wampgate/test/bench/proc"
	"github.com/wampgate/wampgate/test/bench/report"
)

// A suite runs scenarios against systems, in rounds: all systems, then all
// again. A system is started when it is first needed, and goes on running.
type suite struct {
	systems   []system
	scenarios []scenario
	rounds    int
	progress  io.Writer

	up     map[string]*running
	unable map[string]bool // systems, and scenarios of one: what has failed once is not tried again
}

// run runs everything. It returns what was measured until ctx ended.
func (s *suite) run(ctx context.Context) []report.Sample {
	s.up, s.unable = map[string]*running{}, map[string]bool{}
	defer s.stop()
	var all []report.Sample
	for _, sc := range s.scenarios {
		for round := range s.rounds {
			for _, sys := range s.systems {
				key := sc.Name + "\n" + sys.name
				if s.unable[key] || s.unable[sys.name] || ctx.Err() != nil {
					continue
				}
				sample, err := s.sample(ctx, sys, sc)
				if errors.Is(err, errNotSpoken) {
					continue
				}
				if err != nil {
					s.unable[key] = true
					sample.Failed = err.Error()
				}
				sample.Scenario, sample.System, sample.Round = sc.Name, sys.name, round
				_, _ = fmt.Fprintln(s.progress, sample)
				all = append(all, sample)
			}
		}
	}
	return all
}

func (s *suite) stop() {
	for _, r := range s.up {
		r.stop()
	}
}

// errNotSpoken says that a system does not speak the protocol of a scenario.
var errNotSpoken = errors.New("not spoken")

// sample runs a scenario against a system once.
func (s *suite) sample(ctx context.Context, sys system, sc scenario) (report.Sample, error) {
	r, err := s.running(ctx, sys, sc.fresh)
	if err != nil {
		return report.Sample{}, err
	}
	if sc.Group == groupHTTP && r.endpoint.URL == "" || sc.Group != groupHTTP && r.router.URL == "" {
		return report.Sample{}, errNotSpoken
	}
	r.used = true
	m := &meter{running: r}
	result, err := sc.run(ctx, r, m)
	sample := m.sample(&result)
	if err == nil && result.Done == 0 {
		err = fmt.Errorf("no call comes to a good end%s", sample.Faults())
	}
	if result.Done == 0 {
		return report.Sample{}, err
	}
	if sc.Less {
		sample.Value = sample.Growth * 1024 / float64(max(result.Done, 1))
	}
	if err != nil {
		_, _ = fmt.Fprintln(s.progress, "  ", err)
	}
	return sample, nil
}

// running returns a running system, started anew if need be.
func (s *suite) running(ctx context.Context, sys system, fresh bool) (*running, error) {
	r := s.up[sys.name]
	if r != nil && (fresh && r.used && r.server != nil || !r.alive()) {
		r.stop()
		delete(s.up, sys.name)
		r = nil
	}
	if r != nil {
		return r, nil
	}
	ctx, stop := context.WithTimeout(ctx, startTimeout)
	defer stop()
	r, err := sys.start(ctx)
	if err != nil {
		s.unable[sys.name] = true
		return nil, fmt.Errorf("start %s: %w", sys.name, err)
	}
	s.up[sys.name] = r
	return r, nil
}

// A meter reads what a run uses.
type meter struct {
	*running

	before, after reading
}

type reading struct {
	server                        proc.Usage
	backend, client, machine, all time.Duration
}

func (m *meter) read() reading {
	r := reading{server: proc.UsageOf(m.pid), backend: m.backendCPU(), client: proc.Own()}
	r.machine, r.all = proc.Machine()
	return r
}

// Begin implements [load.Meter].
func (m *meter) Begin() {
	proc.ResetPeak(m.pid)
	m.before = m.read()
}

// End implements [load.Meter].
func (m *meter) End() { m.after = m.read() }

// sample puts the readings and a result together.
func (m *meter) sample(r *load.Result) report.Sample {
	a, b := m.before, m.after
	server, backend, client := b.server.CPU-a.server.CPU, b.backend-a.backend, b.client-a.client
	calls := float64(max(r.Done, 1))
	return report.Sample{
		Value:      float64(r.Done) / max(r.Elapsed, 1).Seconds(),
		P50:        micros(r.Latency.Quantile(0.5)),
		P99:        micros(r.Latency.Quantile(0.99)),
		CPU:        micros(server) / calls,
		BackendCPU: micros(backend) / calls,
		ClientCPU:  micros(client) / calls,
		Peak:       float64(b.server.Peak) / (1 << 20),
		Growth:     float64(b.server.Memory-a.server.Memory) / (1 << 20),
		Done:       r.Done,
		Errors:     r.Errors,
		Unanswered: r.Unanswered,
		Twice:      r.Twice,
		OthersP99:  micros(r.Others.Quantile(0.99)),
		Foreign:    max(float64(b.machine-a.machine-server-backend-client)/float64(max(b.all-a.all, 1)), 0),
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
