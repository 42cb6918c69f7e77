package main

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/config"
)

// TestParts: a reload compares every section of the configuration, so that none
// changes unsaid.
func TestParts(t *testing.T) {
	t.Parallel()
	compared := []string{"gateway", "keyring", "stores", "callers_file"}
	for _, p := range parts() {
		compared = append(compared, p.key)
	}
	for f := range reflect.TypeFor[config.Config]().Fields() {
		if key := f.Tag.Get("mapstructure"); f.IsExported() && !slices.Contains(compared, key) {
			t.Errorf("nothing tells whether %s has changed", key)
		}
	}
}

// TestReloadNeedsItsLine: what the audit cannot tell is not taken, and what was opened for
// it is closed.
func TestReloadNeedsItsLine(t *testing.T) {
	t.Parallel()
	const before = "server: { tls: { off: true } }\nstores: [ { name: main, backend: memory }"
	r, _, write := serving(t, before+" ]\n")
	was := r.rt
	if err := r.rt.audit.Close(); err != nil {
		t.Fatal(err)
	}
	write(before + ", { name: more, backend: bolt, bolt: { path: more.db } } ]\n")
	done, err := r.reload(t.Context(), r.app.call("reload"))
	if err == nil || len(done.Problems) > 0 || !slices.Equal(done.Changed, []string{"stores.more (added)"}) {
		t.Errorf("%+v, %v", done, err)
	}
	if r.rt != was || !r.shown.Load().stale {
		t.Error("something was taken")
	}
	path := filepath.Join(filepath.Dir(r.app.configFile), "more.db")
	if _, err := bolt.Verify(t.Context(), path, path, r.rt.keys); err != nil {
		t.Errorf("the store that was opened for it is not closed: %v", err)
	}
}
