package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// elsewhere are metrics that files for node_exporter hold, and not a gateway: the
// scripts of drills and verifications see them written.
var elsewhere = regexp.MustCompile(`^vaultferry_(snapshot|migrate)_`)

// later are those that a gateway shows when it has had to do with them.
var later = []string{
	"vaultferry_issuer_up", "vaultferry_issuer_fetches_total", "vaultferry_reloads_total", "vaultferry_caller_limited_total",
	"vaultferry_fleet_gateways", "vaultferry_audit_syslog_missed_total", "vaultferry_audit_syslog_waiting",
	"vaultferry_audit_witness_requests_total", "vaultferry_audit_witness_up", "vaultferry_audit_witness_signed_timestamp_seconds",
}

// TestMonitoring: rules and dashboard speak of nothing that a gateway does not show,
// and leave nothing out that it does; and Prometheus's own tool takes the rules and finds that each alert fires.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	address, socket := listenFile(t)
	admin, adminSocket := listenFile(t)
	stop := m.start("vaultferry.socket:admin", socket, adminSocket)
	defer stop()
	client := &http.Client{Timeout: startTimeout}
	if status, err := m.ask(client, http.MethodPut, address, `{"value":"kept"}`); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	resp, err := client.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	shown, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	known := later
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\w+)`).FindAllStringSubmatch(string(shown), -1) {
		known = append(known, found[1])
		if found[2] == "histogram" {
			known = append(known, found[1]+"_bucket")
		}
	}
	dir := filepath.Join("..", "..", "examples", "monitoring")
	looked := map[string]bool{} // at, by the rules or the dashboard
	for _, file := range []string{"alerts.yaml", "dashboard.json", "../../docs/monitoring.md"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\b(vaultferry|process)_[a-z_]+`).FindAllString(string(text), -1)
		if len(names) < 10 {
			t.Errorf("%s names %d metrics", file, len(names))
		}
		for _, name := range names {
			if !slices.Contains(known, name) && !elsewhere.MatchString(name) {
				t.Errorf("%s speaks of %s, which a gateway does not show", file, name)
			}
			looked[name] = looked[name] || filepath.Dir(file) == "."
		}
	}
	documented := documents(t)["docs/monitoring.md"]
	for _, name := range known {
		if !strings.HasPrefix(name, "vaultferry_") || strings.HasSuffix(name, "_bucket") {
			continue
		}
		if !strings.Contains(documented, "`"+name+"`") {
			t.Errorf("docs/monitoring.md does not tell of %s", name)
		}
		if !looked[name] && !looked[name+"_bucket"] {
			t.Errorf("neither the rules nor the dashboard look at %s", name)
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not here")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v: %s", args[0], err, out)
		}
	}
	tested, err := os.ReadFile(filepath.Join(dir, "alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(filepath.Join(dir, "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, alert := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		if strings.Count(string(tested), "alertname: "+alert[1]) != 2 {
			t.Errorf("%s is not tested to fire and to stay silent", alert[1])
		}
	}
}
