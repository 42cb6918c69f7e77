package main

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// tracedMove is a world of two stores, of which the second one is in Vault, whose
// traces are collected.
type tracedMove struct {
	*managed
	got       *collected
	collector string // its address
}

func newTracedMove(t *testing.T, vault *vaulttest.Server, percent int) *tracedMove {
	t.Helper()
	w := &tracedMove{managed: newManaged(t), got: &collected{}}
	otel := httptest.NewServer(w.got)
	w.collector = otel.URL
	t.Cleanup(otel.Close)
	short, err := os.MkdirTemp("", "vf") // the address of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	config := fmt.Sprintf(`server: { address: 127.0.0.1:1, tls: { off: true } }
admin: { address: "" }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
control: { socket: %q }
traces: { endpoint: %q, sample_percent: %d }
stores:
  - { name: old, backend: bolt, bolt: { path: old.db } }
  - { name: new, backend: hashivault, hashivault: { address: %q, mount: %q, token: { file: vault-token } } }
dialects: { azure: { routes: [ { host: main.vault.localhost, store: old } ] } }
callers: [ { name: app, tokens: [ { file: token } ] } ]
policy: [ { callers: [app], allow: ["*"], stores: ["*"], names: ["*"] } ]
`, filepath.Join(short, "s"), otel.URL+"/v1/traces", percent, vault.Address, vault.NewMount(t))
	for name, text := range map[string]string{"vaultferry.yaml": config, "vault-token": vaulttest.RootToken} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *tracedMove) do(in string, args ...string) {
	w.t.Helper()
	cmd := w.command("", args...)
	cmd.Stdin = strings.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v: %s", args, err, out)
	}
}

// named are the spans of a name.
func (w *tracedMove) named(name string) (found []*tracepb.Span) {
	w.got.mu.Lock()
	defer w.got.mu.Unlock()
	for _, s := range w.got.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

// run wants one span of a run, recorded whatever is sampled, and returns it.
func (w *tracedMove) run(name string) *tracepb.Span {
	w.t.Helper()
	runs := w.named(name)
	if len(runs) != 1 || len(runs[0].GetParentSpanId()) != 0 || attribute(runs[0], "vaultferry.result") != "ok" || attribute(runs[0], "vaultferry.run") == "" {
		w.t.Fatalf("spans of %s: %v", name, runs)
	}
	return runs[0]
}

// parts wants so many traces that each begin with a span of the name and are linked
// to the run.
func (w *tracedMove) parts(run *tracepb.Span, name string, want int) []*tracepb.Span {
	w.t.Helper()
	traces := map[string]bool{string(run.GetTraceId()): true}
	all := w.named(name)
	for _, p := range all {
		links := p.GetLinks()
		if len(p.GetParentSpanId()) != 0 || len(links) != 1 || string(links[0].GetTraceId()) != string(run.GetTraceId()) || string(links[0].GetSpanId()) != string(run.GetSpanId()) {
			w.t.Errorf("a part that is not linked to its run: %v", p)
		}
		traces[string(p.GetTraceId())] = true
	}
	if len(all) != want || len(traces) != want+1 {
		w.t.Fatalf("%d spans of %s in %d traces, want %d, each in one of its own", len(all), name, len(traces)-1, want)
	}
	return all
}

// below are the spans under one, by name; through says whether a running gateway's
// span of the request is between.
func (w *tracedMove) below(s *tracepb.Span, name string, through bool) (found []*tracepb.Span) {
	w.got.mu.Lock()
	defer w.got.mu.Unlock()
	trace := hex.EncodeToString(s.GetTraceId())
	parents := []*tracepb.Span{s}
	if through {
		parents = w.got.under(trace, hex.EncodeToString(s.GetSpanId()))
	}
	for _, p := range parents {
		if through && p.GetKind() != tracepb.Span_SPAN_KIND_SERVER {
			continue
		}
		for _, c := range w.got.under(trace, hex.EncodeToString(p.GetSpanId())) {
			if name == "" || c.GetName() == name {
				found = append(found, c)
			}
		}
	}
	return found
}

func (w *tracedMove) noNames() {
	w.t.Helper()
	all := fmt.Sprint(w.got.spans)
	for _, hidden := range []string{"db-pass", "api-key", "s3cr3t-canary", vaulttest.RootToken} {
		if strings.Contains(all, hidden) {
			w.t.Errorf("spans hold %s", hidden)
		}
	}
}

// TestTracesOfAMove: each secret's move is a trace of its own with a link to the
// run, down to the requests to the product, whichever process has the store.
func TestTracesOfAMove(t *testing.T) {
	t.Parallel()
	vault := vaulttest.Start(t)
	for what, running := range map[string]bool{"by itself": false, "through a running gateway": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newTracedMove(t, vault, 100)
			w.do("s3cr3t-canary", "set", "old", "db-pass")
			w.do("s3cr3t-canary", "set", "old", "api-key")
			stop := func() {}
			if running {
				address, socket := listenFile(t)
				stop = w.start("vaultferry.socket", socket)
				if status, err := w.ask(&http.Client{Timeout: startTimeout}, http.MethodGet, address, ""); err != nil || status != http.StatusOK {
					t.Fatal(status, err)
				}
			}
			w.do("", "migrate", "plan", "--from", "old", "--to", "new", "--output-file", "move.plan")
			w.do("", "migrate", "run", "move.plan")
			w.do("", "snapshot", "init", "--repo", "repo")
			w.do("", "snapshot", "create", "old", "--repo", "repo")
			w.do("", "snapshot", "drill", "--repo", "repo")
			stop()

			run := w.run("migrate.run")
			if attribute(run, "vaultferry.from") != "old" || attribute(run, "vaultferry.to") != "new" {
				t.Errorf("the run: %v", run)
			}
			for _, part := range w.parts(run, "migrate.move", 2) {
				if packed := w.below(part, "cli.migrate.run", running); len(packed) < 1 || attribute(packed[0], "vaultferry.store") != "old" {
					t.Errorf("reading the source: %v", packed)
				}
				wrote, requests := false, 0
				for _, o := range w.below(part, "cli.migrate.run", false) {
					if attribute(o, "vaultferry.store") == "new" && attribute(o, "vaultferry.action") == "restore" && attribute(o, "vaultferry.result") == "ok" {
						wrote, requests = true, requests+len(w.below(o, "", false))
					}
				}
				if !wrote || requests == 0 {
					t.Errorf("writing the target: %v, with %d requests to Vault", wrote, requests)
				}
			}
			for _, part := range w.parts(w.run("snapshot.create"), "snapshot.read", 2) {
				if sealed := w.below(part, "cli.snapshot.create", running); len(sealed) != 1 {
					t.Errorf("sealing: %v", sealed)
				}
			}
			w.parts(w.run("snapshot.drill"), "snapshot.try", 2)
			w.noNames()
		})
	}
}

// TestTracesOfAMoveSampled: the run is traced always, its parts as requests are; and
// a collector that does not answer hinders nothing.
func TestTracesOfAMoveSampled(t *testing.T) {
	t.Parallel()
	w := newTracedMove(t, vaulttest.Start(t), 0)
	w.do("s3cr3t-canary", "set", "old", "db-pass")
	w.do("", "migrate", "plan", "--from", "old", "--to", "new", "--output-file", "move.plan")
	w.do("", "migrate", "run", "move.plan")
	w.parts(w.run("migrate.run"), "migrate.move", 0)

	config, err := os.ReadFile(filepath.Join(w.dir, "vaultferry.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	nobody := strings.Replace(string(config), w.collector, "http://127.0.0.1:1", 1)
	if err := os.WriteFile(filepath.Join(w.dir, "vaultferry.yaml"), []byte(nobody), 0o600); err != nil {
		t.Fatal(err)
	}
	w.do("", "snapshot", "init", "--repo", "repo")
	w.do("", "snapshot", "create", "old", "--repo", "repo")
}
