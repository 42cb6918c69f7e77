package httpd

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

// witnessMetrics are looked up at each scrape.
type witnessMetrics func() []audit.WitnessState

var (
	witnessUp     = gaugeOf("vaultferry_audit_witness_up", "1 if the witness signed the last checkpoint that it was asked for, 0 if not; absent until it was asked.", "witness")
	witnessSigned = gaugeOf("vaultferry_audit_witness_signed_timestamp_seconds", "When the witness last signed a checkpoint; 0: not since the gateway began.", "witness")
)

// seatMetrics tell what this gateway does as a witness.
type seatMetrics func() (signed, refused int64)

var seatRequests = prometheus.NewDesc("vaultferry_audit_witness_requests_total",
	"Checkpoints of other gateways that this one as a witness signed, or refused.", []string{"result"}, nil)

// Describe implements prometheus.Collector.
func (seatMetrics) Describe(to chan<- *prometheus.Desc) { to <- seatRequests }

// Collect implements prometheus.Collector.
func (m seatMetrics) Collect(to chan<- prometheus.Metric) {
	signed, refused := m()
	to <- prometheus.MustNewConstMetric(seatRequests, prometheus.CounterValue, float64(signed), "signed")
	to <- prometheus.MustNewConstMetric(seatRequests, prometheus.CounterValue, float64(refused), "refused")
}

// Describe implements prometheus.Collector.
func (witnessMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- witnessUp.desc
	to <- witnessSigned.desc
}

// Collect implements prometheus.Collector.
func (m witnessMetrics) Collect(to chan<- prometheus.Metric) {
	for _, w := range m() { // the configuration names each once
		if w.Signed.IsZero() && w.Since.IsZero() {
			continue
		}
		to <- prometheus.MustNewConstMetric(witnessUp.desc, witnessUp.typ, number(w.Since.IsZero()), w.URL)
		to <- prometheus.MustNewConstMetric(witnessSigned.desc, witnessSigned.typ, seconds(w.Signed), w.URL)
	}
}
