package report_test

import (
	"strings"
	"testing"

	"github.com/wampgate/wampgate/test/bench/report"
)

func TestReport(t *testing.T) {
	t.Parallel()
	r := report.Report{
		Scenarios: []report.Scenario{
			{Name: "small", Group: "Speed", Unit: "/s"},
			{Name: "memory", Group: "Speed", Unit: "KiB each", Less: true},
			{Name: "hard", Group: "Speed"},
			{Name: "burst", Group: report.Overload},
		},
		Systems: []string{"ours", "theirs", "absent"},
		Samples: []report.Sample{
			{Scenario: "small", System: "ours", Value: 200_000, P50: 10, P99: 99, CPU: 2.5},
			{Scenario: "small", System: "theirs", Value: 100_000, CPU: 29},
			{Scenario: "small", System: "ours", Round: 1, Value: 300_000, P50: 20, P99: 99, CPU: 2.5},
			{Scenario: "small", System: "theirs", Round: 1, Value: 50_000, CPU: 31},
			{Scenario: "memory", System: "ours", Value: 12},
			{Scenario: "memory", System: "theirs", Failed: "cannot"},
			{Scenario: "hard", System: "ours", Failed: "it is\ntoo hard"},
			{Scenario: "burst", System: "ours", Value: 1000, Done: 9, Errors: map[string]uint64{"a": 1}, Peak: 20},
			{Scenario: "burst", System: "theirs", Value: 10, Done: 5, Unanswered: 4, Twice: 1, OthersP99: 5000},
		},
	}
	const want = `### Speed

| scenario | ours | p50 µs | p99 µs | CPU µs | ÷ theirs |
| --- | --- | --- | --- | --- | --- |
| small | 250k (200k–300k) /s | 15.0 | 99.0 | 2.50 | 4.00 (2.00–6.00); 30.0 µs |
| memory (less is better) | 12.0 KiB each | 0 | 0 | 0 | – |
| hard | – (it is too hard) |

### Overload

| scenario | system | calls/s | results | errors | unanswered | twice | peak MiB | others' p99 ms |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| burst | ours | 1000 | 9 | 1 | 0 | 0 | 20.0 | – |
| burst | theirs | 10.0 | 5 | 0 | 4 | 1 | 0 | 5.00 |

`
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != want {
		t.Errorf("Write:\n%s\nwant:\n%s", got, want)
	}
}

func TestSampleNamesItsFaults(t *testing.T) {
	t.Parallel()
	s := report.Sample{Errors: map[string]uint64{"b": 2, "a": 1}, Unanswered: 3, Twice: 4}
	if got, want := s.Faults(), "  1 × a, 2 × b, 3 unanswered, 4 answered twice"; got != want {
		t.Errorf("Faults() = %q, want %q", got, want)
	}
	if got := (report.Sample{}).Faults(); got != "" {
		t.Errorf("Faults() of a good sample = %q", got)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 0.123: "0.12", 9.994: "9.99", 12.34: "12.3", 1234: "1234", 12_345: "12.3k", 123_456: "123k", 1_234_567: "1.23M"} {
		if got := report.Number(v); got != want {
			t.Errorf("Number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- results: begin, written by -update-readme -->\n", "<!-- results: end -->\n"
	got, err := report.Replace("before\n"+begin+"old\n"+end+"after\n", "new\n")
	if want := "before\n" + begin + "\nnew\n\n" + end + "after\n"; err != nil || got != want {
		t.Errorf("Replace = %q, %v; want %q", got, err, want)
	}
	for _, document := range []string{"", begin, end + begin} {
		if got, err := report.Replace(document, "new"); err == nil {
			t.Errorf("Replace(%q) = %q, want an error", document, got)
		}
	}
}
