package httpd

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/vaultferry/vaultferry/gateway"
)

// stateMetrics are looked up at each scrape.
type stateMetrics struct{ server *Server }

// Budget is room that requests share, and how much of it they have now.
type Budget struct {
	Name        string
	Used, Limit int64 // bytes, or places
}

type gauge struct {
	desc *prometheus.Desc
	typ  prometheus.ValueType
}

func gaugeOf(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue}
}

func counterOf(name, help string) gauge {
	return gauge{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue}
}

var (
	storeUp      = gaugeOf("vaultferry_store_up", "1 if the store's product answers, 0 if it does not; absent until the first answer.", "store")
	storeRunning = gaugeOf("vaultferry_store_calls_running", "Calls to the store's product that run now.", "store")
	storeLimit   = gaugeOf("vaultferry_store_calls_limit", "Calls to the store's product that may run at once.", "store")

	fleetGateways = gaugeOf("vaultferry_fleet_gateways", "Gateways that share the store, this one among them, by whether they tell so (up) or have stopped without a word (silent).", "store", "state")

	budgetUsed  = gaugeOf("vaultferry_budget_used", "What requests have now of room that all share.", "budget")
	budgetLimit = gaugeOf("vaultferry_budget_limit", "How much there is of room that all requests share.", "budget")

	auditFree       = gaugeOf("vaultferry_audit_free_bytes", "Room on the disk of the audit; -1: not known.")
	auditLow        = gaugeOf("vaultferry_audit_low", "1 if the audit's disk has less room than audit.low_water.")
	auditDamaged    = counterOf("vaultferry_audit_damaged_total", "Times that the audit's file was not as the gateway had left it.")
	auditWritable   = gaugeOf("vaultferry_audit_writable", "1 if the last audit line could be written.")
	auditSize       = gaugeOf("vaultferry_audit_file_bytes", "Size of the audit's present file.")
	auditCheckpoint = gaugeOf("vaultferry_audit_checkpoint_timestamp_seconds", "When the gateway last looked whether to sign a checkpoint; 0: it signs none.")

	connectionsOpen    = gaugeOf("vaultferry_connections_open", "Connections of clients that are open.")
	connectionsLimit   = gaugeOf("vaultferry_connections_limit", "Connections of clients that may be open at once.")
	connectionsRefused = counterOf("vaultferry_connections_refused_total", "Connections that were closed for lack of room.")
	loginsLocked       = gaugeOf("vaultferry_logins_locked", "Keys and networks that failed to log in too often and have to wait.")
)

// Describe implements prometheus.Collector.
func (stateMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, g := range []gauge{
		storeUp, storeRunning, storeLimit, fleetGateways, budgetUsed, budgetLimit, auditFree, auditLow, auditDamaged, auditWritable, auditSize, auditCheckpoint,
		connectionsOpen, connectionsLimit, connectionsRefused, loginsLocked,
	} {
		to <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (m stateMetrics) Collect(to chan<- prometheus.Metric) {
	say := func(g gauge, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(g.desc, g.typ, v, labels...)
	}
	service := m.server.Service()
	for _, st := range service.Health() {
		if st.State != gateway.StoreUnknown {
			say(storeUp, number(st.State == gateway.StoreUp), st.Name)
		}
		say(storeRunning, float64(st.Running), st.Name)
		say(storeLimit, float64(st.Concurrency), st.Name)
	}
	collectFleet(say, service)
	m.collectBudgets(say, service)
	a := service.AuditState()
	say(auditFree, float64(a.FreeBytes))
	say(auditLow, number(a.Low))
	say(auditDamaged, float64(a.Damaged))
	say(auditWritable, number(service.Ready() == nil))
	say(auditSize, float64(a.FileBytes))
	say(auditCheckpoint, seconds(a.Checkpointed))
	if l := m.server.connections; l != nil {
		open, refused := l.counts()
		say(connectionsOpen, float64(open))
		say(connectionsLimit, float64(l.most))
		say(connectionsRefused, float64(refused))
	}
	if m.server.locked != nil {
		say(loginsLocked, float64(m.server.locked()))
	}
}

// collectFleet tells of stores through which gateways know each other.
func collectFleet(say func(gauge, float64, ...string), service *gateway.Service) {
	up, silent := map[string]float64{}, map[string]float64{}
	for _, member := range service.Fleet() {
		for _, store := range member.Stores {
			if member.Silent {
				silent[store]++
			} else {
				up[store]++
			}
		}
	}
	for store, n := range up { // this gateway is up
		say(fleetGateways, n, store, "up")
		say(fleetGateways, silent[store], store, "silent")
	}
}

func (m stateMetrics) collectBudgets(say func(gauge, float64, ...string), service *gateway.Service) {
	var all []Budget
	if m.server.budgets != nil {
		all = m.server.budgets()
	}
	running, most := service.Blobs()
	for _, b := range append(all, Budget{Name: "backups_and_restores", Used: running, Limit: most}) {
		say(budgetUsed, float64(b.Used), b.Name)
		say(budgetLimit, float64(b.Limit), b.Name)
	}
}
