package load

import (
	"time"

	"github.com/wampgate/wampgate/test/bench/stats"
)

// A Result is what came of a run.
type Result struct {
	Done    uint64          // calls with a result, requests with status 200, or joins, while measured
	Elapsed time.Duration   // the time they took
	Latency stats.Histogram // of each

	// Of the whole run:
	Errors     map[string]uint64 // answers that are errors, by URI or status
	Unanswered uint64            // calls without an answer
	Twice      uint64            // answers to calls that had theirs, and progressive results nobody asked for

	Others stats.Histogram // of the calls of uninvolved sessions meanwhile, if there were any
}

func (r *Result) failed(uri string) {
	if r.Errors == nil {
		r.Errors = map[string]uint64{}
	}
	r.Errors[uri]++
}

func (r *Result) merge(other *Result) {
	r.Done += other.Done
	r.Latency.Merge(&other.Latency)
	for uri, n := range other.Errors {
		for range n {
			r.failed(uri)
		}
	}
	r.Unanswered += other.Unanswered
	r.Twice += other.Twice
}

// A Meter is told when the time that counts begins and ends.
type Meter interface {
	Begin()
	End()
}
