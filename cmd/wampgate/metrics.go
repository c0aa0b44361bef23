package main

import (
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wampgate/wampgate/dealer/durable"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/transaction"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/gateway"
)

// metricsPath is where counters are on the admin listener.
const metricsPath = "/metrics"

// How many scrapes may be answered at once, and how long one may take. Each
// takes the counters of all realms under their locks, one after the other.
const (
	maxScrapes = 4
	scrapeTime = 10 * time.Second
)

// maxProcedures bounds metrics-procedures: each procedure is three series.
const maxProcedures = 10_000

func procedureCountFault(n int) string {
	if n < 0 || n > maxProcedures {
		return "is not from 0 to 10000"
	}
	return ""
}

// A family is what /metrics has under one name. The families are listed in
// README.md, which a test compares with them.
type family struct {
	name   string
	kind   kind
	labels []string
	help   string
	// tell puts out all that a snapshot has for the family.
	tell func(s *snapshot, out out)
}

// A kind is how the values of a family are to be read.
type kind string

// The kinds.
const (
	counter   kind = "counter"   // it only grows, and begins with 0 when the gateway does
	gauge     kind = "gauge"     // as it is now
	histogram kind = "histogram" // durations by how long they were, in seconds
)

// families lists all.
func families() []family {
	return slices.Concat(httpFamilies(), callFamilies(), sessionFamilies(), durableFamilies(), transactionFamilies(), processFamilies())
}

// A snapshot is what the parts of a node have counted at about the same time.
// Its families add up within a part: a call is never counted as ended and as in
// flight.
type snapshot struct {
	http     gateway.Stats
	requests int // in flight
	realms   []router.RealmStats
	router   router.Stats
	denials  map[router.Denial]uint64
	wamp     transport.Stats
	traffic  []transport.Traffic
	aborts   map[string]uint64
	kept     *durable.Stats // nil if no calls are kept
	keptLogs []durable.Usage
	keeping  durability

	transactions *transaction.Stats // nil if none are coordinated
}

// metrics collects the families of a node. It is a prometheus.Collector.
type metrics struct {
	node     *node
	families []family
	descs    []*prometheus.Desc // of families
}

func newMetrics(n *node) *metrics {
	m := &metrics{node: n, families: families()}
	for _, f := range m.families {
		m.descs = append(m.descs, prometheus.NewDesc(f.name, f.help, f.labels, nil))
	}
	return m
}

// handler returns what answers GET /metrics: in the text format, or in that of
// OpenMetrics if it is asked for.
func (m *metrics) handler(log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTime,
		EnableOpenMetrics:   true,
	})
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range m.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	s := m.node.snapshot()
	for i, f := range m.families {
		f.tell(s, out{f.kind, m.descs[i], to})
	}
}

// snapshot asks all parts for their counters.
func (n *node) snapshot() *snapshot {
	s := &snapshot{
		http: n.gateway.Stats(), requests: n.server.InFlight(),
		realms: n.router.RealmStats(), router: n.router.Stats(), denials: n.router.Denials(),
		wamp: n.sockets.Stats(), traffic: n.sockets.Traffic(), aborts: map[string]uint64{},
	}
	for reason, count := range n.sockets.Aborts() {
		s.aborts[string(reason)] = count
	}
	if n.durable != nil {
		kept := n.durable.Stats()
		s.kept, s.keeping = &kept, n.durability()
		s.keptLogs = n.durable.Usage()
	}
	if n.transactions != nil {
		stats := n.transactions.Stats()
		s.transactions = &stats
	}
	return s
}

// An out takes the values of one family.
type out struct {
	kind kind
	desc *prometheus.Desc
	to   chan<- prometheus.Metric
}

// put puts a value out, with a value for each of the family's labels.
func (o out) put(v float64, labels ...string) {
	of := prometheus.CounterValue
	if o.kind == gauge {
		of = prometheus.GaugeValue
	}
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD") // or the whole scrape fails
	}
	o.to <- prometheus.MustNewConstMetric(o.desc, of, v, labels...)
}

// count puts a number out.
func (o out) count(n uint64, labels ...string) { o.put(float64(n), labels...) }

// each puts out numbers by the value of the only label.
func (o out) each(numbers map[string]uint64) {
	for label, n := range numbers {
		if label == "" {
			label = "other"
		}
		o.count(n, label)
	}
}

// histogram puts out durations.
func (o out) histogram(h *gateway.Histogram, labels ...string) {
	buckets, sum := make(map[float64]uint64, len(h.Bounds)), uint64(0)
	for i, bound := range h.Bounds {
		sum += h.N[i]
		buckets[bound.Seconds()] = sum
	}
	o.to <- prometheus.MustNewConstHistogram(o.desc, h.Count(), h.Sum.Seconds(), buckets, labels...)
}

// processFamilies are about the process. The client library adds its own, which
// begin with go_ and process_.
func processFamilies() []family {
	return []family{
		{
			"wampgate_build_info", gauge,
			[]string{"version", "revision", "goversion"},
			"1, with the version of wampgate, the commit that it was built from, and Go's version.",
			func(_ *snapshot, o out) { o.put(1, version, revision(), runtime.Version()) },
		},
	}
}
