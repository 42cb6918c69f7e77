package kv2

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// hazards are ways in which CSMS and KV v2 differ, by the numbers of the wire
// reference's table.
var hazards = map[string]func(*testing.T, *fixture){
	"9.2/2 version": hazardVersion, "9.2/3 retention": hazardRetention, "9.2/4 value": hazardValue,
	"9.2/5 number fidelity": hazardNumbers, "9.2/7 custom metadata": hazardTags, "9.2/8 description": hazardDescription,
	"9.2/9 stages": hazardStages, "9.2/10 latest": hazardLatest, "9.2/11 delete version": hazardDeletedVersion,
	"9.2/12 expiry": hazardExpiry, "9.2/14 delete secret": hazardDeletion,
	"9.2/15 disabled": hazardDisabled,
}

// TestHazards takes the hazards one by one.
func TestHazards(t *testing.T) {
	for name, run := range hazards {
		t.Run(name, func(t *testing.T) { run(t, newFixture(t)) })
	}
}

// TestHazardsAreNamed: none leaves the map unnoticed. The end-to-end tests have
// the others of the 17, and count on these.
func TestHazardsAreNamed(t *testing.T) {
	t.Parallel()
	want := []int{2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 15}
	var got []int
	for name := range hazards {
		var n int
		if _, err := fmt.Sscanf(name, "9.2/%d ", &n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got = append(got, n)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the hazards %d are tested, want %d", got, want)
	}
}

var born = time.Date(2025, 1, 2, 3, 4, 5, 6_000_000, time.UTC)

// plain is a document of versions with these ordinals, the last one current.
func plain(of ...secret.Ordinal) *secret.Secret {
	s := &secret.Secret{Name: "s", Created: born, Updated: born}
	for _, o := range of {
		at := born.Add(time.Duration(o) * time.Second)
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: o, UID: secret.DeriveUID("plain", "s", o.String(), born), Value: secret.TextValue(fmt.Sprint("canary-", o)), Created: at, Updated: at,
		})
		s.Current, s.Previous = o, s.Current
	}
	return s
}

// moved imports s and proves that what comes out is s less what was foretold.
func (f *fixture) moved(t *testing.T, s *secret.Secret) {
	t.Helper()
	if _, err := f.Import(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, s, f.mustExport(t, "s"), f.Forecast(s))
}

func hazardVersion(t *testing.T, f *fixture) {
	f.moved(t, plain(3, 4, 7))
	if v := f.mustPut(t, "s", kvtest.Text("x")); v.Ordinal != 8 {
		t.Errorf("the version after 7 is %d", v.Ordinal)
	}
	for _, o := range []secret.Ordinal{1, 5, 6} { // never there, or a gap that was written and destroyed
		if _, err := f.Get(t.Context(), "s", secret.ByOrdinal(o)); !errors.Is(err, secret.NotFound) {
			t.Errorf("Get of version %d, which is a gap: %v", o, err)
		}
	}
}

func hazardRetention(t *testing.T, f *fixture) {
	for i := range 25 { // Vault itself keeps ten
		f.mustPut(t, "s", kvtest.Text(fmt.Sprint("canary-", i+1)))
	}
	got := f.mustExport(t, "s")
	if len(got.Versions) != 25 || got.Versions[0].Missing != "" || got.Versions[0].Value.IsNone() {
		t.Errorf("%d versions are left, or the first without its value", len(got.Versions))
	}
}

func hazardValue(t *testing.T, f *fixture) {
	f.mustPut(t, "s", kvtest.Text(`{"looks":"like fields"}`))
	f.mustPut(t, "s", secret.Draft{Value: secret.BinaryValue([]byte{0xff})})
	for i, want := range []string{`{"looks":"like fields"}`, "/w=="} {
		if kv, err := f.kv.GetVersion(t.Context(), "s", i+1); err != nil || len(kv.Data) != 1 || kv.Data["value"] != want {
			t.Errorf("version %d is not one natural field: %v", i+1, err)
		}
	}
	f.nativePut(t, "s", map[string]any{"value": `{"a":1}`})
	f.nativePut(t, "s", map[string]any{"user": "u", "password": "canary-p"})
	got := f.mustExport(t, "s")
	for i, want := range []secret.Value{
		secret.TextValue(`{"looks":"like fields"}`), secret.BinaryValue([]byte{0xff}),
		secret.TextValue(`{"a":1}`), secret.FieldsValue([]byte(`{"password":"canary-p","user":"u"}`)),
	} {
		if v := got.Versions[i].Value; !v.Equal(want) {
			t.Errorf("version %d reads as %v of %d bytes", i+1, v.Form(), v.Len())
		}
	}
	if got.Newest().ContentType != connection.JSONType {
		t.Error("several fields do not say that they are JSON")
	}
}

func hazardNumbers(t *testing.T, f *fixture) {
	for _, s := range []string{`{"a":12345678901234567890}`, `{"a":1.0}`, `{"a":1e400}`} {
		v := secret.FieldsValue([]byte(s))
		f.mustPut(t, "s", secret.Draft{Value: v})
		if got := f.mustGet(t, "s", secret.Current).Versions[0].Value; !got.Equal(v) {
			t.Errorf("a number comes back otherwise, in %d bytes", got.Len())
		}
	}
}

func hazardTags(t *testing.T, f *fixture) {
	s := plain(1, 2)
	s.Tags = map[string]string{}
	for i := range 20 { // as many and as long as CSMS allows
		s.Tags[fmt.Sprintf("%02d", i)+strings.Repeat("k", 126)] = strings.Repeat("v", 255)
	}
	s.Versions[0].Tags = map[string]string{strings.Repeat("ü", 256): strings.Repeat("v", 256), "": "any"}
	if l := f.Forecast(s); secret.Worst(l) > secret.Trace {
		t.Errorf("tags are lost: %v", l)
	}
	f.moved(t, s)
	m, err := f.kv.GetMetadata(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range m.CustomMetadata {
		if !strings.HasPrefix(k, "vaultferry") && v != s.Tags[k] {
			t.Errorf("the key %q is neither one of ours nor a tag of the secret", k)
		}
	}
	if got := f.nativeTags(t, "s"); !maps.Equal(got, s.Tags) {
		t.Errorf("native tools see %d tags of the secret, want %d", len(got), len(s.Tags))
	}
}

func hazardDescription(t *testing.T, f *fixture) {
	d := kvtest.Text("x")
	d.OfSecret = &secret.Attributes{Description: strings.Repeat("ü", 1024)} // 2048 bytes
	f.mustPut(t, "s", d)
	f.mustPut(t, "s", kvtest.Text("y"))
	if f.mustGet(t, "s", secret.Current).Description != d.OfSecret.Description {
		t.Error("the description is not as it was written")
	}
}

func hazardStages(t *testing.T, f *fixture) {
	d := kvtest.Text("x")
	for i := range 10 {
		d.Stages = append(d.Stages, fmt.Sprint(i)+strings.Repeat("s", 63))
	}
	f.mustPut(t, "s", d)
	f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("y"), Stages: d.Stages[:1], KeepCurrent: true})
	got := f.mustExport(t, "s")
	if !slices.Equal(got.Versions[0].Stages, d.Stages[1:]) || !slices.Equal(got.Versions[1].Stages, d.Stages[:1]) {
		t.Errorf("%d and %d stages", len(got.Versions[0].Stages), len(got.Versions[1].Stages))
	}
}

func hazardLatest(t *testing.T, f *fixture) {
	s := plain(1, 2)
	s.Current, s.Previous = 1, 2
	if !slices.ContainsFunc(f.Forecast(s), func(l secret.Loss) bool { return l.What == loss.Current }) {
		t.Error("it is not foretold that native tools see another current version")
	}
	f.moved(t, s)
	if v := f.mustGet(t, "s", secret.Current).Versions[0]; v.Ordinal != 1 {
		t.Errorf("current is version %d", v.Ordinal)
	}
	if kv, err := f.kv.Get(t.Context(), "s"); err != nil || kv.Data["value"] != "canary-2" {
		t.Errorf("native tools see another version than the newest: %v", err)
	}
}

func hazardDeletedVersion(t *testing.T, f *fixture) {
	for i := range 3 {
		f.nativePut(t, "s", map[string]any{"value": fmt.Sprint("canary-", i+1)})
	}
	if err := errors.Join(f.kv.DeleteVersions(t.Context(), "s", []int{1}), f.kv.Destroy(t.Context(), "s", []int{2})); err != nil {
		t.Fatal(err)
	}
	got := f.mustExport(t, "s")
	for i, want := range []secret.Missing{secret.Deleted, secret.Destroyed, ""} {
		if got.Versions[i].Missing != want {
			t.Errorf("version %d is missing %q, want %q", i+1, got.Versions[i].Missing, want)
		}
	}
	if l := secret.ExportLosses(got); len(l) != 1 || l[0].Version != 1 {
		t.Errorf("the losses of an export are %v", l)
	}
}

func hazardExpiry(t *testing.T, f *fixture) {
	past := born.Add(time.Hour)
	f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("canary-x"), Expires: past})
	if v := f.mustGet(t, "s", secret.Current).Versions[0]; !v.Expires.Equal(past) || v.Value.IsNone() {
		t.Error("the expiry is another, or hides the value")
	}
	kv, err := f.kv.Get(t.Context(), "s")
	if err != nil || kv.Data == nil || !kv.VersionMetadata.DeletionTime.IsZero() {
		t.Errorf("Vault deletes what CSMS would only call expired: %v", err)
	}
}

func hazardDisabled(t *testing.T, f *fixture) {
	s := plain(1, 2)
	s.Versions[0].Disabled = true
	told := slices.ContainsFunc(f.Forecast(s), func(l secret.Loss) bool {
		return l.Grade == secret.Data && l.What == loss.Disabled && l.Version == 1
	})
	if !told {
		t.Error("that native tools can read the disabled version is not foretold")
	}
	f.moved(t, s)
	if v := f.mustGet(t, "s", secret.ByOrdinal(1)).Versions[0]; !v.Disabled {
		t.Error("the version is enabled")
	}
	if native, err := f.kv.GetVersion(t.Context(), "s", 1); err != nil || native.Data["value"] != "canary-1" {
		t.Errorf("native tools do not see what was foretold: %v", err)
	}
}

func hazardDeletion(t *testing.T, f *fixture) {
	f.moved(t, plain(1, 2))
	before := f.mustExport(t, "s")
	f.mustDelete(t, "s")
	if _, err := f.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get of what is scheduled for deletion: %v", err)
	}
	if s, err := f.DescribeTrash(t.Context(), "s"); err != nil || !s.Deleted.Purge.Equal(nextMonth) {
		t.Errorf("the schedule is not kept: %v", err)
	}
	if _, err := f.Recover(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, before, f.mustExport(t, "s"), nil)
	f.mustDelete(t, "s")
	if err := f.Purge(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.kv.GetMetadata(t.Context(), "s"); err == nil {
		t.Error("a final deletion leaves metadata")
	}
	d := kvtest.Text("x")
	d.OnlyIfAbsent = true
	f.mustPut(t, "s", d)
}
