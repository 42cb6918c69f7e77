package kv2

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

func (f *fixture) metadataOf(t *testing.T, path string) *api.KVMetadata {
	t.Helper()
	m, err := f.kv.GetMetadata(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSettingsTravel: what somebody set of a key goes with the secret, through
// a store that knows nothing of it, and is set again at another Vault.
func TestSettingsTravel(t *testing.T) {
	f := newFixture(t)
	for i := range 14 {
		f.nativePut(t, "s", map[string]any{"value": fmt.Sprint("canary-", i+1)})
	}
	f.nativeWrite(t, "metadata/s", map[string]any{
		"max_versions": 10, "cas_required": true, "delete_version_after": "720h", "custom_metadata": map[string]any{"owner": "me"},
	})
	out := f.mustExport(t, "s")
	for member, want := range map[string]string{extraMax: "10", extraCAS: "true", extraLasting: `"720h0m0s"`} {
		if got := string(out.Extra[member]); got != want {
			t.Errorf("%s is %s, want %s", member, got, want)
		}
	}
	between := memory.New(memory.Options{})
	if _, err := between.Import(t.Context(), out, ""); err != nil {
		t.Fatal(err)
	}
	moved, err := between.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	to := newFixture(t)
	losses := to.Forecast(moved)
	if secret.Worst(losses) > secret.Trace || slices.ContainsFunc(losses, func(l secret.Loss) bool { return l.What == loss.Number }) {
		t.Errorf("foretold: %v", losses)
	}
	done, err := to.Import(t.Context(), moved, "")
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, out, to.mustExport(t, "s"), losses)
	if string(done.Secret.Extra[extraMax]) != "10" {
		t.Error("the import does not tell of the settings")
	}
	m := to.metadataOf(t, "s")
	if m.MaxVersions != 10 || !m.CASRequired || m.DeleteVersionAfter != 720*time.Hour || m.CustomMetadata["owner"] != "me" {
		t.Errorf("max_versions %d, cas_required %v, delete_version_after %v", m.MaxVersions, m.CASRequired, m.DeleteVersionAfter)
	}
	for i := 5; i <= 14; i++ {
		v, err := to.kv.GetVersion(t.Context(), "s", i)
		if err != nil || v.Data["value"] != fmt.Sprint("canary-", i) || !v.VersionMetadata.DeletionTime.IsZero() {
			t.Errorf("version %d is not native tools' version %d: %v", i, i, err)
		}
	}
}

// TestSettingsThatAreNone: what Vault would not give back as it is, or is our
// own doing, is no setting.
func TestSettingsThatAreNone(t *testing.T) {
	f := newFixture(t)
	s := kvtest.Many("s", 2, "x")
	s.Extra = secret.Extra{
		extraMax: json.RawMessage("1001"), extraCAS: json.RawMessage(`"yes"`), extraLasting: json.RawMessage(`"1.5s"`), "other": json.RawMessage("{}"),
	}
	f.moved(t, s)
	if m := f.metadataOf(t, "s"); m.CASRequired || m.DeleteVersionAfter != 0 {
		t.Error("a setting is set")
	}
	for i, raw := range []string{"0", "-1", "4294967296", "1.5", `"3"`, "null"} {
		name := secret.Name(fmt.Sprint("s", i))
		s := kvtest.Many(name, 2, "x")
		s.Extra = secret.Extra{extraMax: json.RawMessage(raw)}
		if wrong := backendtest.ForecastDifferences(t.Context(), f, s); len(wrong) > 0 {
			t.Errorf("%s: %v", raw, wrong)
		}
	}
	f.mustPut(t, "plain", kvtest.Text("x"))
	if got := f.mustExport(t, "plain"); got.Extra != nil {
		t.Error("a plain secret has settings")
	}
}

// TestLimitOfTheMount: an import that fits below it leaves it in force; one that
// does not gets room.
func TestLimitOfTheMount(t *testing.T) {
	f := newFixture(t)
	f.nativeWrite(t, "config", map[string]any{"max_versions": 4})
	for n, want := range map[int]int{1: 0, 4: 0, 5: fewest} {
		name := fmt.Sprint("s-", n)
		s := kvtest.Many(secret.Name(name), n, "x")
		if _, err := f.Import(t.Context(), s, ""); err != nil {
			t.Fatal(err)
		}
		backendtest.Compare(t, s, f.mustExport(t, s.Name), nil)
		if got := f.metadataOf(t, name).MaxVersions; got != want {
			t.Errorf("after an import of %d versions max_versions of the key is %d, want %d", n, got, want)
		}
	}
	for i, d := range []secret.Draft{
		kvtest.Text("x"), {Value: secret.TextValue("x"), Disabled: true}, {Value: secret.BinaryValue([]byte{0xff})}, {Value: secret.TextValue("x"), Tags: map[string]string{"a": "b"}},
	} {
		name := secret.Name(fmt.Sprint("first-", i))
		f.mustPut(t, name, d)
		if m := f.metadataOf(t, string(name)); m.MaxVersions != 0 || m.CurrentVersion != 1 {
			t.Errorf("%s is at version %d, with max_versions %d", name, m.CurrentVersion, m.MaxVersions)
		}
	}
	for range 4 {
		f.mustPut(t, "s-1", kvtest.Text("y"))
	}
	if got := f.mustExport(t, "s-1"); len(got.Versions) != 4 {
		t.Errorf("the mount keeps %d versions, want 4", len(got.Versions))
	}
}

// TestPendingDeletion: a version that Vault is going to delete says so.
func TestPendingDeletion(t *testing.T) {
	f := newFixture(t)
	f.nativePut(t, "s", map[string]any{"value": "stays"})
	f.nativeWrite(t, "metadata/s", map[string]any{"delete_version_after": "1h"})
	f.nativePut(t, "s", map[string]any{"value": "goes"})
	got := f.mustExport(t, "s")
	losses := secret.ExportLosses(got)
	if len(losses) != 1 || losses[0].Version != 2 || losses[0].What != loss.Deletion || losses[0].Grade != secret.Trace {
		t.Errorf("foretold: %v", losses)
	}
	if _, err := f.Update(t.Context(), "s", secret.ByOrdinal(2), secret.Patch{ContentType: new("text/plain")}); err != nil {
		t.Fatal(err)
	}
	f.nativeWrite(t, "metadata/s", map[string]any{"delete_version_after": "0s"}) // else it begins anew
	f.nativeWrite(t, "undelete/s", map[string]any{"versions": []int{2}})
	if l := secret.ExportLosses(f.mustExport(t, "s")); len(l) != 0 {
		t.Errorf("nothing is pending any more, and foretold: %v", l)
	}
}

// TestMountThatDeletes: once the mount is known, a restore that it would undo is
// foretold as such.
func TestMountThatDeletes(t *testing.T) {
	f := newFixture(t)
	f.nativeWrite(t, "config", map[string]any{"delete_version_after": "1h"})
	if err := f.Learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := kvtest.Many("s", 2, "x")
	losses := f.Forecast(s)
	if len(losses) != 2 || secret.Worst(losses) != secret.Data {
		t.Errorf("foretold: %v", losses)
	}
	if _, err := f.Import(t.Context(), s, ""); !errors.Is(err, secret.Lossy) || secret.DetailOf(err) != detailDoomed {
		t.Errorf("Import: %v", err)
	}
	f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount))))
	blind := f.open(t, nil)
	if err := blind.Learn(t.Context()); err != nil || len(blind.Forecast(s)) != 1 {
		t.Errorf("what may not be read is taken for nothing: %v", err)
	}
}

// TestNumbers: Vault's own tools see the gateway's numbers, as far as that takes
// a hundred writes; beyond, that they differ is foretold.
func TestNumbers(t *testing.T) {
	f := newFixture(t)
	for i, c := range []struct {
		of      []secret.Ordinal
		numbers []int
		told    bool
	}{
		{[]secret.Ordinal{5, 6}, []int{5, 6}, false},
		{[]secret.Ordinal{101}, []int{101}, false},
		{[]secret.Ordinal{102}, []int{1}, true},
		{[]secret.Ordinal{51, 102}, []int{51, 102}, false},
		{[]secret.Ordinal{51, 103}, []int{51, 52}, true},
		{[]secret.Ordinal{500, 502}, []int{1, 3}, true},
	} {
		s := plain(c.of...)
		s.Name = secret.Name(fmt.Sprint("s", i))
		if wrong := backendtest.ForecastDifferences(t.Context(), f, s); len(wrong) > 0 {
			t.Errorf("%d: %v", c.of, wrong)
		}
		if told := slices.ContainsFunc(f.Forecast(s), func(l secret.Loss) bool { return l.What == loss.Number }); told != c.told {
			t.Errorf("%d: foretold that numbers differ: %v", c.of, told)
		}
		for j, n := range c.numbers {
			v, err := f.kv.GetVersion(t.Context(), string(s.Name), n)
			if err != nil || v.Data["value"] != fmt.Sprint("canary-", c.of[j]) {
				t.Errorf("%d: native tools do not find version %d as %d: %v", c.of, c.of[j], n, err)
			}
		}
	}
}
