package main

import (
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
)

// driftCounts are what a verification found, by the words of its metrics.
type driftCounts map[string]int

func newDriftCounts() driftCounts {
	return driftCounts{"same": 0, "foretold": 0, "stays": 0, "attributes": 0, "different": 0, "only_source": 0, "only_target": 0, "unread": 0}
}

func (c driftCounts) add(v *migrate.Verdict) {
	switch {
	case v.Foretold:
		c["foretold"]++
	case v.Stays:
		c["stays"]++
	case v.Sign == inventory.Same:
		c["same"]++
	case v.Sign == inventory.Attribute:
		c["attributes"]++
	case v.Sign == inventory.OnlyA:
		c["only_source"]++
	case v.Sign == inventory.OnlyB:
		c["only_target"]++
	case v.Sign == inventory.Incomparable:
		c["unread"]++
	default:
		c["different"]++
	}
}

// write makes the file that the textfile collector of node_exporter reads. It tells
// a moment and not an age, since it says the same until the next verification.
func (c driftCounts) write(file, plan string, h *migrate.Header, at time.Time) error {
	labels := prometheus.Labels{"plan": filepath.Base(plan), "source": h.From, "target": h.To}
	registry := prometheus.NewRegistry()
	found := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "vaultferry_migrate_secrets", ConstLabels: labels,
		Help: "Secrets by how source and target of the plan compared when they were verified last.",
	}, []string{"result"})
	ended := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vaultferry_migrate_verify_timestamp_seconds", ConstLabels: labels, Help: "When the last verification came to its end.",
	})
	registry.MustRegister(found, ended)
	for result, n := range c {
		found.WithLabelValues(result).Set(float64(n))
	}
	ended.Set(float64(at.UnixMilli()) / 1000)
	return prometheus.WriteToTextfile(file, registry)
}
