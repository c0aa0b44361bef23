// Package report makes tables of measurements.
package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Scenario is what was measured.
type Scenario struct {
	Name  string
	Group string // of the table it belongs to
	Unit  string // of the values
	Less  bool   // less is better
}

// A Sample is what one run of a scenario gave for a system. Times are in
// microseconds.
type Sample struct {
	Scenario string `json:"scenario"`
	System   string `json:"system"`
	Round    int    `json:"round"`

	Value      float64 `json:"value"` // in the scenario's unit
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	CPU        float64 `json:"cpu_us"` // of the server, for each call
	BackendCPU float64 `json:"backend_cpu_us"`
	ClientCPU  float64 `json:"client_cpu_us"`
	Peak       float64 `json:"peak_mib"`
	Growth     float64 `json:"growth_mib"` // of the memory during the run

	Done       uint64            `json:"done"`
	Errors     map[string]uint64 `json:"errors,omitempty"`
	Unanswered uint64            `json:"unanswered"`
	Twice      uint64            `json:"twice"`
	OthersP99  float64           `json:"others_p99_us,omitempty"`
	Foreign    float64           `json:"foreign"` // part of the processors that processes outside of the test used

	Failed string `json:"failed,omitempty"` // why there is nothing else
}

// String sums a sample up in a line.
func (s Sample) String() string {
	if s.Failed != "" {
		return fmt.Sprintf("%-24s %-13s %.160s", s.Scenario, s.System, strings.ReplaceAll(s.Failed, "\n", " "))
	}
	return fmt.Sprintf("%-24s %-13s %9s  p50 %7s  p99 %7s  CPU %6s + %5s  client %6s  %5s MiB%s",
		s.Scenario, s.System, Number(s.Value), Number(s.P50), Number(s.P99), Number(s.CPU), Number(s.BackendCPU), Number(s.ClientCPU), Number(s.Peak), s.Faults())
}

// Faults names what went wrong with calls, if anything did.
// It is empty or begins with two spaces.
func (s Sample) Faults() string {
	var all []string
	for _, uri := range slices.Sorted(maps.Keys(s.Errors)) {
		all = append(all, fmt.Sprintf("%d × %s", s.Errors[uri], uri))
	}
	if s.Unanswered > 0 {
		all = append(all, fmt.Sprintf("%d unanswered", s.Unanswered))
	}
	if s.Twice > 0 {
		all = append(all, fmt.Sprintf("%d answered twice", s.Twice))
	}
	if len(all) == 0 {
		return ""
	}
	return "  " + strings.Join(all, ", ")
}

// Number writes a number with about three digits that count.
func Number(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e5:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk", v/1e3)
	case v >= 100 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v < 0:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
