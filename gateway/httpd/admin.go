package httpd

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vaultferry/vaultferry/gateway"
)

// Metrics are what /metrics shows. No label ever holds a secret's name.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	ops      *prometheus.CounterVec
	lacking  *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	stale    prometheus.Gauge
	issuers  *prometheus.GaugeVec
	fetches  *prometheus.CounterVec
	limited  *prometheus.CounterVec

	mu    sync.RWMutex
	known map[series]counters
}

// series is what one call counts for; its counters are looked up once.
type series struct{ op, store, result string }

// counters of a call that was refused before it found a store lack the last two.
type counters struct {
	calls   prometheus.Counter
	seconds prometheus.Observer
	ops     prometheus.Counter
	lacking prometheus.Counter
}

// NewMetrics returns a registry of its own; nothing is global.
func NewMetrics() *Metrics {
	m := &Metrics{
		known:    map[series]counters{},
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vaultferry_calls_total", Help: "Calls by operation, store and result.",
		}, []string{"op", "store", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vaultferry_call_seconds", Help: "Time from authorisation to outcome.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"op"}),
		ops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vaultferry_backend_ops_total", Help: "Requests or transactions sent to the products.",
		}, []string{"store"}),
		lacking: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vaultferry_list_lacking_total", Help: "Folders, secrets and names that lists should show and could not.",
		}, []string{"store"}),
	}
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vaultferry_reloads_total", Help: "Reloads of the configuration by result.",
	}, []string{"result"})
	m.stale = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vaultferry_configuration_stale", Help: "1 while the last reload failed: the gateway serves by an older configuration than the file.",
	})
	m.issuers = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "vaultferry_issuer_up", Help: "1 if the last fetch of the issuer's keys succeeded; at 0 its tokens go by the keys that are known.",
	}, []string{"issuer"})
	m.fetches = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vaultferry_issuer_fetches_total", Help: "Fetches of issuers' keys by result.",
	}, []string{"issuer", "result"})
	m.limited = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vaultferry_caller_limited_total", Help: "Requests beyond the rate_limit of their caller.",
	}, []string{"caller"})
	m.registry.MustRegister(m.issuers, m.fetches, m.reloads, m.stale, m.limited, m.calls, m.seconds, m.ops, m.lacking,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Reloaded counts a reload of the configuration.
func (m *Metrics) Reloaded(ok bool) {
	result, stale := "ok", 0.0
	if !ok {
		result, stale = "failed", 1
	}
	m.reloads.WithLabelValues(result).Inc()
	m.stale.Set(stale)
}

// IssuerFetched counts a fetch of an issuer's keys.
func (m *Metrics) IssuerFetched(issuer string, ok bool) {
	result, up := "ok", 1.0
	if !ok {
		result, up = "failed", 0
	}
	m.fetches.WithLabelValues(issuer, result).Inc()
	m.issuers.WithLabelValues(issuer).Set(up)
}

// RateLimited counts a request beyond the caller's rate.
func (m *Metrics) RateLimited(caller string) { m.limited.WithLabelValues(caller).Inc() }

// Observe counts one finished call.
func (m *Metrics) Observe(o gateway.Observation) {
	c := m.counters(series{o.Op, o.Store, o.Result})
	c.calls.Inc()
	c.seconds.Observe(o.Duration.Seconds())
	if o.Store != "" {
		c.ops.Add(float64(o.BackendOps))
		c.lacking.Add(float64(o.Lacking))
	}
}

func (m *Metrics) counters(s series) counters {
	m.mu.RLock()
	c, ok := m.known[s]
	m.mu.RUnlock()
	if ok {
		return c
	}
	c = counters{calls: m.calls.WithLabelValues(s.op, s.store, s.result), seconds: m.seconds.WithLabelValues(s.op)}
	if s.store != "" {
		c.ops, c.lacking = m.ops.WithLabelValues(s.store), m.lacking.WithLabelValues(s.store)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[s] = c
	return c
}

// storeUp shows the state of each store at the time of a scrape.
type storeUp struct{ service func() *gateway.Service }

var storeUpDesc = prometheus.NewDesc("vaultferry_store_up", "1 if the store's product answers, 0 if it does not; absent until the first answer.", []string{"store"}, nil)

// Describe implements prometheus.Collector.
func (storeUp) Describe(to chan<- *prometheus.Desc) { to <- storeUpDesc }

// Collect implements prometheus.Collector.
func (c storeUp) Collect(to chan<- prometheus.Metric) {
	for _, st := range c.service().Health() {
		if st.State != gateway.StoreUnknown {
			to <- prometheus.MustNewConstMetric(storeUpDesc, prometheus.GaugeValue, number(st.State == gateway.StoreUp), st.Name)
		}
	}
}

// auditState shows how the audit fares at the time of a scrape.
func (m *Metrics) auditState(service func() *gateway.Service) {
	for name, g := range map[string]struct {
		help string
		of   func(gateway.AuditState) float64
	}{
		"vaultferry_audit_free_bytes": {"Room on the disk of the audit; -1: not known.", func(a gateway.AuditState) float64 { return float64(a.FreeBytes) }},
		"vaultferry_audit_low":        {"1 if the audit's disk has less room than audit.low_water.", func(a gateway.AuditState) float64 { return number(a.Low) }},
		"vaultferry_audit_damaged":    {"Times that the audit's file was not as the gateway had left it.", func(a gateway.AuditState) float64 { return float64(a.Damaged) }},
		"vaultferry_audit_writable":   {"1 if the last audit line could be written.", func(gateway.AuditState) float64 { return number(service().Ready() == nil) }},
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, func() float64 { return g.of(service().AuditState()) }))
	}
}

// CountMissed shows how many audit lines a second receiver did not get.
func (m *Metrics) CountMissed(missed func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "vaultferry_audit_syslog_missed_total", Help: "Audit lines that the collector did not get; they stand in the file.",
	}, func() float64 { return float64(missed()) }))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// adminHandler serves /livez, /readyz and /metrics.
func adminHandler(service func() *gateway.Service, m *Metrics, stopping func() bool) http.Handler {
	m.registry.MustRegister(storeUp{service})
	m.auditState(service)
	r := mux.NewRouter()
	r.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		status, body := readiness(service(), stopping())
		writeJSON(w, status, body)
	}).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})).Methods(http.MethodGet)
	return r
}

type readinessBody struct {
	Status string                `json:"status"`
	Reason string                `json:"reason,omitempty"`
	Audit  string                `json:"audit,omitempty"` // what an operator must look at, while calls are still served
	Stores []gateway.StoreHealth `json:"stores"`
}

// readiness is red only where the gateway itself cannot serve, or soon will not.
// A store that is down is shown, and fails its own calls alone.
func readiness(s *gateway.Service, stopping bool) (int, readinessBody) {
	body := readinessBody{Status: "ok", Stores: s.Health()}
	switch st := s.AuditState(); {
	case st.Damaged > 0:
		body.Audit = "the file was damaged: see the log"
	case st.Low:
		body.Audit = "its disk is nearly full"
	}
	if err := s.Ready(); err != nil {
		body.Status, body.Reason = "unavailable", err.Error()
		return http.StatusServiceUnavailable, body
	}
	if stopping {
		body.Status = "stopping"
		return http.StatusServiceUnavailable, body
	}
	return http.StatusOK, body
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // plain structs of strings always marshal
		status, b = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}
