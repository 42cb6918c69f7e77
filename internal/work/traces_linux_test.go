package work

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const traceRounds = 21

// BenchmarkTracesOff prints what it costs a GET that the gateway can trace, where
// nobody has it do so: beside one that was built without the code that looks for
// traces. The goal is 1.00. What traces cost that are sent is BenchmarkTraces of
// cmd/vaultferry.
func BenchmarkTracesOff(b *testing.B) {
	program, bare := filepath.Join(b.TempDir(), "vaultferry"), filepath.Join(b.TempDir(), "vaultferry")
	const pkg = "github.com/vaultferry/vaultferry/cmd/vaultferry"
	run(b, "", "go", "build", "-o", program, pkg)
	run(b, "", "go", "build", "-overlay", withoutSpans(b), "-o", bare, pkg)
	names := []string{"without", "off"}
	servers := map[string]*server{"without": startIn(b, bare, configuration), "off": startIn(b, program, configuration)}
	for b.Loop() {
		taken := map[string][]sample{}
		for i := range traceRounds {
			for j := range names {
				name := names[(i+j)%len(names)]
				taken[name] = append(taken[name], servers[name].measure(b, "get"))
			}
		}
		var ratios []float64 // of each round, for a machine that others use drifts within a run
		for i := range traceRounds {
			ratios = append(ratios, taken["off"][i].work/taken["without"][i].work)
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[len(ratios)/2], "off-of-without")
		b.ReportMetric(medianOf(taken["off"], func(s sample) float64 { return s.work }), "off-us")
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
