package httpd

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vaultferry/vaultferry/gateway"
)

// mostEnds bounds the series of what callers prove themselves by: those that end
// next are shown.
const mostEnds = 200

// endMetrics tell when what is good for a time only ends.
type endMetrics struct{ ends func() []gateway.End }

var expiry = gaugeOf("vaultferry_expiry_timestamp_seconds",
	"When a certificate, token, password or key ends, of the gateway itself, of a store or of a caller. renewal: automatic, if another one comes in time by itself.",
	"kind", "store", "caller", "name", "renewal")

// TellEnds shows what ends lists, soonest first.
func (m *Metrics) TellEnds(ends func() []gateway.End) { m.registry.MustRegister(endMetrics{ends}) }

// Describe implements prometheus.Collector.
func (endMetrics) Describe(to chan<- *prometheus.Desc) { to <- expiry.desc }

// Collect implements prometheus.Collector. Two things of one name are shown as the
// one that ends first.
func (m endMetrics) Collect(to chan<- prometheus.Metric) {
	shown, callers := map[[5]string]bool{}, 0
	for _, e := range m.ends() {
		renewal := "manual"
		if e.Renewed {
			renewal = "automatic"
		}
		labels := [5]string{string(e.Kind), e.Store, e.Caller, e.Name, renewal}
		if shown[labels] || e.Caller != "" && callers == mostEnds {
			continue
		}
		shown[labels] = true
		if e.Caller != "" {
			callers++
		}
		to <- prometheus.MustNewConstMetric(expiry.desc, expiry.typ, seconds(e.At), labels[:]...)
	}
}
