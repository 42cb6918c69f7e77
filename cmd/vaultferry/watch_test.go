package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
)

// TestWatch: files are taken once they have stayed as they are; what is invalid is
// waited for, then told once, and tried again now and then.
func TestWatch(t *testing.T) {
	t.Parallel()
	holds := func(b byte) map[string]config.Digest { return map[string]config.Digest{"f": {b}} }
	type step struct {
		now, last byte
		failed    bool
		want      verdict
	}
	repeat := func(n int, s step) (all []step) {
		for range n {
			all = append(all, s)
		}
		return all
	}
	for name, steps := range map[string][]step{
		"nothing":                 repeat(20, step{1, 1, false, idle}),
		"changed":                 {{1, 1, false, idle}, {2, 1, false, wait}, {2, 1, false, tries}, {2, 2, false, idle}},
		"written in parts":        {{1, 1, false, idle}, {2, 1, false, wait}, {3, 1, false, wait}, {4, 1, false, wait}, {4, 1, false, tries}},
		"written and back":        {{1, 1, false, idle}, {2, 1, false, wait}, {1, 1, false, idle}, {1, 1, false, idle}},
		"taken by hand meanwhile": {{1, 1, false, idle}, {2, 1, false, wait}, {2, 2, false, idle}},
		"stays invalid": append(append([]step{{2, 1, false, wait}}, repeat(patience-1, step{2, 1, false, tries})...),
			step{2, 1, false, takes}, step{2, 2, true, again}, step{2, 2, true, idle}),
		"mended": {{2, 2, true, wait}, {3, 2, true, wait}, {3, 2, true, tries}, {3, 3, false, idle}},
		"tried again": append(append([]step{{2, 2, true, wait}}, repeat(retryAfter-1, step{2, 2, true, idle})...),
			step{2, 2, true, again}, step{2, 2, true, idle}),
	} {
		var w watch
		for i, s := range steps {
			if got := w.look(holds(s.now), holds(s.last), s.failed); got != s.want {
				t.Errorf("%s, step %d: %d, want %d", name, i, got, s.want)
			}
		}
	}
}

// TestWatchTellsOnce: why nothing was taken is told once, however long that stays so.
func TestWatchTellsOnce(t *testing.T) {
	t.Parallel()
	const good = "server: { tls: { off: true } }\nstores: [ { name: main, backend: memory } ]\n"
	for why, next := range map[string]string{
		"counts after a restart alone": good + "log: { level: warn }\n",
		"there is no store":            good + "policy: [ { callers: ['*'], allow: [get], stores: [nowhere], names: ['*'] } ]\n",
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			r, said, write := serving(t, good)
			write(next)
			var w watch
			for range 10 * retryAfter {
				r.look(t.Context(), &w)
			}
			if n := strings.Count(said.String(), why); n != 1 {
				t.Errorf("it was told %d times: %s", n, said.String())
			}
		})
	}
}

// serving is the reloader of a gateway over that configuration, what it says, and what
// writes another configuration.
func serving(t *testing.T, text string) (r *reloader, said *bytes.Buffer, write func(text string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vaultferry.yaml")
	write = func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err == nil {
		err = ring.Create(filepath.Join(filepath.Dir(file), "keyring.json"))
	}
	if err != nil {
		t.Fatal(err)
	}
	write(text)
	said = new(bytes.Buffer)
	a := &app{errOut: said, out: said, now: time.Now, configFile: file}
	cfg, _, err := a.load()
	if err != nil {
		t.Fatal(err)
	}
	rt, err := a.assemble(t.Context(), cfg, ring)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rt.close() })
	if rt.source, err = a.keyringSource(cfg); err != nil {
		t.Fatal(err)
	}
	return a.newReloader(rt, ""), said, write
}
