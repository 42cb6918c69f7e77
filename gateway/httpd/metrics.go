package httpd

import (
	"runtime"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
)

// Metrics are what /metrics shows. No label ever holds a secret's name.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	requests *prometheus.CounterVec
	answers  *prometheus.CounterVec
	lacking  *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	stale    prometheus.Gauge
	issuers  *prometheus.GaugeVec
	fetches  *prometheus.CounterVec
	build    *prometheus.GaugeVec
	limited  *prometheus.CounterVec

	mu    sync.RWMutex
	known map[series]counters
}

// series is what one call counts for; its counters are looked up once.
type series struct{ op, store, result string }

// counters of a call that was refused before it found a store lack the last three.
type counters struct {
	calls    prometheus.Counter
	seconds  prometheus.Observer
	requests prometheus.Counter
	lacking  prometheus.Counter
	answers  []prometheus.Counter // by kind
}

// NewMetrics returns a registry of its own; nothing is global.
func NewMetrics() *Metrics {
	m := &Metrics{
		known:    map[series]counters{},
		registry: prometheus.NewRegistry(),
		calls:    counterVec("vaultferry_calls_total", "Calls by operation, store and result.", "op", "store", "result"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vaultferry_call_duration_seconds", Help: "Time from authorisation to outcome.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"op", "store"}),
		requests: counterVec("vaultferry_product_requests_total", "Requests or transactions sent to the products.", "store"),
		answers:  counterVec("vaultferry_product_answers_total", "Answers of products to HTTP requests by class of status; none: there was no answer.", "store", "code"),
		lacking:  counterVec("vaultferry_list_lacking_total", "Folders, secrets and names that lists should show and could not.", "store"),
		reloads:  counterVec("vaultferry_reloads_total", "Reloads of the configuration by result.", "result"),
		fetches:  counterVec("vaultferry_issuer_fetches_total", "Fetches of issuers' keys by result.", "issuer", "result"),
		limited:  counterVec("vaultferry_caller_limited_total", "Requests beyond the rate_limit of their caller.", "caller"),
		stale: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vaultferry_configuration_stale", Help: "1 while the last reload failed: the gateway serves by an older configuration than the file.",
		}),
		issuers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vaultferry_issuer_up", Help: "1 if the last fetch of the issuer's keys succeeded; at 0 its tokens go by the keys that are known.",
		}, []string{"issuer"}),
		build: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vaultferry_build_info", Help: "1, by what the program was built of.",
		}, []string{"version", "revision", "goversion"}),
	}
	m.registry.MustRegister(m.calls, m.seconds, m.requests, m.answers, m.lacking, m.reloads, m.fetches, m.stale, m.issuers, m.build, m.limited,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// Built says which program this is.
func (m *Metrics) Built(version, revision string) {
	m.build.WithLabelValues(version, revision, runtime.Version()).Set(1)
}

// Reloaded counts a reload of the configuration.
func (m *Metrics) Reloaded(ok bool) {
	m.reloads.WithLabelValues(okOrFailed(ok)).Inc()
	m.stale.Set(number(!ok))
}

// IssuerFetched counts a fetch of an issuer's keys.
func (m *Metrics) IssuerFetched(issuer string, ok bool) {
	m.fetches.WithLabelValues(issuer, okOrFailed(ok)).Inc()
	m.issuers.WithLabelValues(issuer).Set(number(ok))
}

// IssuerGone forgets whether an issuer that is not configured any more is up.
func (m *Metrics) IssuerGone(issuer string) { m.issuers.DeleteLabelValues(issuer) }

// RateLimited counts a request beyond the caller's rate.
func (m *Metrics) RateLimited(caller string) { m.limited.WithLabelValues(caller).Inc() }

func okOrFailed(ok bool) string {
	if ok {
		return "ok"
	}
	return "failed"
}

// Observe counts one finished call.
func (m *Metrics) Observe(o gateway.Observation) {
	c := m.counters(series{o.Op, o.Store, o.Result})
	c.calls.Inc()
	c.seconds.Observe(o.Duration.Seconds())
	if o.Store == "" {
		return
	}
	c.requests.Add(float64(o.BackendOps))
	c.lacking.Add(float64(o.Lacking))
	for kind, n := range o.Answers {
		if n > 0 {
			c.answers[kind].Add(float64(n))
		}
	}
}

func (m *Metrics) counters(s series) counters {
	m.mu.RLock()
	c, ok := m.known[s]
	m.mu.RUnlock()
	if ok {
		return c
	}
	// Labels hold no blanks: an audit's "internal error" is internal_error here.
	result := strings.ReplaceAll(s.result, " ", "_")
	c = counters{calls: m.calls.WithLabelValues(s.op, s.store, result), seconds: m.seconds.WithLabelValues(s.op, s.store)}
	if s.store != "" {
		c.requests, c.lacking = m.requests.WithLabelValues(s.store), m.lacking.WithLabelValues(s.store)
		for kind := range len(backends.AnswerCounts{}) {
			c.answers = append(c.answers, m.answers.WithLabelValues(s.store, backends.AnswerKind(kind).String()))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[s] = c
	return c
}

// CountMissed shows how many audit lines a second receiver did not get, and how
// many it has yet to get.
func (m *Metrics) CountMissed(missed, waiting func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "vaultferry_audit_syslog_missed_total", Help: "Audit lines that the collector did not get; they stand in the file.",
	}, func() float64 { return float64(missed()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "vaultferry_audit_syslog_waiting", Help: "Audit lines that the collector has yet to get.",
	}, func() float64 { return float64(waiting()) }))
}

// WatchWitnesses shows how the witnesses of the audit fare.
func (m *Metrics) WatchWitnesses(states func() []audit.WitnessState) {
	m.registry.MustRegister(witnessMetrics(states))
}

// WatchSeat shows what this gateway does as a witness.
func (m *Metrics) WatchSeat(counts func() (signed, refused int64)) {
	m.registry.MustRegister(seatMetrics(counts))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
