package work

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

const (
	traceRounds   = 21
	samplePercent = 10
)

// BenchmarkTraces prints what traces cost a GET: of a gateway that sends none,
// beside one that was built without the code that looks for them, and of one that
// sends those of a tenth of the requests. The goals are 1.00 and 1.05.
func BenchmarkTraces(b *testing.B) {
	var sent atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		sent.Add(1)
	}))
	defer collector.Close()
	program, bare := filepath.Join(b.TempDir(), "vaultferry"), filepath.Join(b.TempDir(), "vaultferry")
	const pkg = "github.com/vaultferry/vaultferry/cmd/vaultferry"
	run(b, "", "go", "build", "-o", program, pkg)
	run(b, "", "go", "build", "-overlay", withoutSpans(b), "-o", bare, pkg)
	traces := fmt.Sprintf("traces: { endpoint: %q, sample_percent: %d }\n", collector.URL+"/v1/traces", samplePercent)
	names := []string{"without", "off", "on"}
	servers := map[string]*server{
		"without": startIn(b, bare, configuration), "off": startIn(b, program, configuration), "on": startIn(b, program, configuration+traces),
	}
	for b.Loop() {
		taken := map[string][]sample{}
		for i := range traceRounds {
			for j := range names {
				name := names[(i+j)%len(names)]
				taken[name] = append(taken[name], servers[name].measure(b, "get"))
			}
		}
		work := func(name string) float64 { return medianOf(taken[name], func(s sample) float64 { return s.work }) }
		// Of each round, for a machine that others use drifts within a run.
		ratio := func(name, beside string) float64 {
			var all []float64
			for i := range traceRounds {
				all = append(all, taken[name][i].work/taken[beside][i].work)
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		fmt.Fprintf(os.Stdout, "\n%-28s %10s %8s\n", "traces of a GET", "us/request", "ratio")
		fmt.Fprintf(os.Stdout, "%-28s %10.2f\n", "built without", work("without"))
		fmt.Fprintf(os.Stdout, "%-28s %10.2f %8.3f of built without\n", "off", work("off"), ratio("off", "without"))
		fmt.Fprintf(os.Stdout, "%-28s %10.2f %8.3f of off\n", fmt.Sprintf("on, %d%% sampled", samplePercent), work("on"), ratio("on", "off"))
		b.ReportMetric(ratio("off", "without"), "off-of-without")
		b.ReportMetric(ratio("on", "off"), "on-of-off")
	}
	if sent.Load() == 0 {
		b.Error("no trace was sent")
	}
}

// startIn starts a gateway of its own, which has one secret.
func startIn(b *testing.B, program, configuration string) *server {
	b.Helper()
	dir := b.TempDir()
	run(b, dir, program, "keys", "new", "--output-file", "keyring.json")
	if err := os.WriteFile(filepath.Join(dir, "vaultferry.yaml"), []byte(configuration), 0o600); err != nil {
		b.Fatal(err)
	}
	s := start(b, dir, program, "serve")
	s.ask(b, "PUT", "/secrets/bench", `{"value":"a value of some length, as passwords are"}`)
	return s
}

// withoutSpans is an overlay for the compiler in which no operation and no request
// to a product looks for a trace.
func withoutSpans(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	replace := map[string]string{}
	for _, name := range []string{"gateway", "backends/kit"} {
		at, err := exec.CommandContext(b.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/vaultferry/vaultferry/"+name).Output()
		if err != nil {
			b.Fatal(err)
		}
		file := filepath.Join(strings.TrimSpace(string(at)), "span.go")
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		const look = "trace.SpanFromContext(ctx)"
		if strings.Count(string(text), look) != 1 {
			b.Fatalf("%s looks for spans in another way", file)
		}
		replace[file] = filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+".go")
		if err := os.WriteFile(replace[file], []byte(strings.Replace(string(text), look, "trace.SpanFromContext(nil)", 1)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}
