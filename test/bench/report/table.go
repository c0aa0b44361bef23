package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/test/bench/stats"
)

// Overload is the group whose table counts answers.
const Overload = "Overload"

// A Report is a number of samples, and the order in which to tell of them.
type Report struct {
	Scenarios []Scenario
	Systems   []string // the first is compared with the others
	Samples   []Sample
}

// Write writes a table for each group of scenarios, as Markdown.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	var groups []string
	for _, s := range r.Scenarios {
		if !slices.Contains(groups, s.Group) {
			groups = append(groups, s.Group)
		}
	}
	for _, group := range groups {
		fmt.Fprintf(&b, "### %s\n\n", group)
		if group == Overload {
			r.writeCounts(&b, group)
		} else {
			r.writeRatios(&b, group)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Foreign returns which part of the processors was used by processes that have
// nothing to do with the test.
func (r *Report) Foreign() stats.Spread {
	return spread(r.Samples, func(s Sample) float64 { return s.Foreign })
}

// of returns the samples of a scenario and system that gave something.
func (r *Report) of(scenario, system string) []Sample {
	var found []Sample
	for _, s := range r.Samples {
		if s.Scenario == scenario && s.System == system && s.Failed == "" {
			found = append(found, s)
		}
	}
	return found
}

// failure returns why a system has no sample of a scenario.
func (r *Report) failure(scenario, system string) string {
	for _, s := range r.Samples {
		if s.Scenario == scenario && s.System == system && s.Failed != "" {
			return strings.ReplaceAll(s.Failed, "\n", " ")
		}
	}
	return "not run"
}

// in returns the scenarios of a group, and the systems that have samples of
// them.
func (r *Report) in(group string) (scenarios []Scenario, systems []string) {
	for _, s := range r.Scenarios {
		if s.Group == group {
			scenarios = append(scenarios, s)
		}
	}
	for _, system := range r.Systems {
		if slices.ContainsFunc(scenarios, func(s Scenario) bool { return len(r.of(s.Name, system)) > 0 }) {
			systems = append(systems, system)
		}
	}
	return scenarios, systems
}

// writeRatios writes figures of the first system, and how many times those of
// the others they are.
func (r *Report) writeRatios(b *strings.Builder, group string) {
	scenarios, systems := r.in(group)
	if len(systems) == 0 {
		return
	}
	base, others := systems[0], systems[1:]
	row(b, append([]string{"scenario", base, "p50 µs", "p99 µs", "CPU µs"}, prefixed("÷ ", others)...)...)
	row(b, slices.Repeat([]string{"---"}, 5+len(others))...)
	for _, s := range scenarios {
		own := r.of(s.Name, base)
		if len(own) == 0 {
			row(b, s.label(), "– ("+r.failure(s.Name, base)+")")
			continue
		}
		value := spread(own, func(s Sample) float64 { return s.Value })
		cells := []string{s.label(), between(value) + " " + s.Unit}
		for _, f := range []func(Sample) float64{
			func(s Sample) float64 { return s.P50 },
			func(s Sample) float64 { return s.P99 },
			func(s Sample) float64 { return s.CPU },
		} {
			cells = append(cells, Number(spread(own, f).Median))
		}
		for _, other := range others {
			cells = append(cells, ratio(own, r.of(s.Name, other)))
		}
		row(b, cells...)
	}
}

func (s Scenario) label() string {
	if s.Less {
		return s.Name + " (less is better)"
	}
	return s.Name
}

// ratio compares samples round by round, and shows what CPU the others took.
func ratio(own, others []Sample) string {
	var ratios []float64
	for _, a := range own {
		for _, b := range others {
			if a.Round == b.Round && b.Value > 0 {
				ratios = append(ratios, a.Value/b.Value)
			}
		}
	}
	if len(ratios) == 0 {
		return "–"
	}
	text := between(stats.SpreadOf(ratios))
	if cpu := spread(others, func(s Sample) float64 { return s.CPU }).Median; cpu > 0 {
		text += "; " + Number(cpu) + " µs"
	}
	return text
}

// writeCounts writes what became of the calls to each system, all rounds
// added up.
func (r *Report) writeCounts(b *strings.Builder, group string) {
	scenarios, systems := r.in(group)
	row(b, "scenario", "system", "calls/s", "results", "errors", "unanswered", "twice", "peak MiB", "others' p99 ms")
	row(b, slices.Repeat([]string{"---"}, 9)...)
	for _, s := range scenarios {
		for _, system := range systems {
			if samples := r.of(s.Name, system); len(samples) > 0 {
				row(b, append([]string{s.Name, system}, counts(samples)...)...)
			}
		}
	}
}

func counts(samples []Sample) []string {
	var done, failed, unanswered, twice uint64
	for _, s := range samples {
		done += s.Done
		unanswered += s.Unanswered
		twice += s.Twice
		for _, n := range s.Errors {
			failed += n
		}
	}
	others := "–"
	if p99 := spread(samples, func(s Sample) float64 { return s.OthersP99 }).Median; p99 > 0 {
		others = Number(p99 / 1e3)
	}
	cells := []string{between(spread(samples, func(s Sample) float64 { return s.Value }))}
	for _, n := range []uint64{done, failed, unanswered, twice} {
		cells = append(cells, fmt.Sprint(n))
	}
	return append(cells, Number(spread(samples, func(s Sample) float64 { return s.Peak }).Max), others)
}

func spread(samples []Sample, value func(Sample) float64) stats.Spread {
	var values []float64
	for _, s := range samples {
		values = append(values, value(s))
	}
	return stats.SpreadOf(values)
}

// between writes a spread as median and range.
func between(s stats.Spread) string {
	if s.Min == s.Max {
		return Number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", Number(s.Median), Number(s.Min), Number(s.Max))
}

func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func prefixed(prefix string, names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, prefix+name)
	}
	return all
}
