package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vaultferry/vaultferry/snapshot"
)

// drillMetrics are what the textfile collector of node_exporter reads: moments and
// not ages, since the file says the same until the next drill.
type drillMetrics struct {
	newest, drilled, proved, failed, damaged *prometheus.GaugeVec
}

func newDrillMetrics(registry *prometheus.Registry) *drillMetrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "vaultferry", Subsystem: "snapshot", Name: name, Help: help}, labels)
		registry.MustRegister(g)
		return g
	}
	of := []string{"repository", "gateway", "store"}
	return &drillMetrics{
		newest:  gauge("newest_timestamp_seconds", "When the newest snapshot of the store with all that was asked for, less accepted losses, was begun; 0: there is none.", of...),
		drilled: gauge("drill_timestamp_seconds", "When the last drill of the store ended; 0: there was none.", of...),
		proved:  gauge("drill_success_timestamp_seconds", "When the last drill of the store ended in which everything came back; 0: there was none.", of...),
		failed:  gauge("drill_failed_secrets", "Secrets that did not come back in the last drill of the store.", of...),
		damaged: gauge("damaged_files", "Snapshots that are missing or cannot be read.", "repository"),
	}
}

// writeDrillMetrics tells of all stores that kept snapshots are of. Drills as another
// product say nothing about a store's backups.
func writeDrillMetrics(file string, r *snapshot.Repository, h *snapshot.History) error {
	drills, _, err := r.Drills()
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	m := newDrillMetrics(registry)
	m.damaged.WithLabelValues(r.ID()).Set(float64(len(h.Damage)))
	type of struct{ gateway, store string }
	known := map[of]bool{}
	for _, s := range h.Newest() {
		known[of{s.Gateway, s.Store}] = true
		for _, g := range []*prometheus.GaugeVec{m.newest, m.drilled, m.proved, m.failed} {
			g.WithLabelValues(r.ID(), s.Gateway, s.Store).Set(0)
		}
	}
	for _, s := range h.Kept { // the oldest first
		if s.AsAsked() {
			m.newest.WithLabelValues(r.ID(), s.Gateway, s.Store).Set(seconds(s.Begun))
		}
	}
	for _, d := range drills { // likewise
		if d.As != d.Product || !known[of{d.Gateway, d.Store}] {
			continue
		}
		m.drilled.WithLabelValues(r.ID(), d.Gateway, d.Store).Set(seconds(d.Ended))
		m.failed.WithLabelValues(r.ID(), d.Gateway, d.Store).Set(float64(d.Tried - d.Same))
		if d.OK() {
			m.proved.WithLabelValues(r.ID(), d.Gateway, d.Store).Set(seconds(d.Ended))
		}
	}
	return prometheus.WriteToTextfile(file, registry)
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
