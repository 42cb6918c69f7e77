package kv1

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestV1NativeReads: what we write, native tools read as they expect, and the
// reserved folder is no secret.
func TestV1NativeReads(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "app/db", everything("canary-one"))
	f.mustPut(t, "fields", secret.Draft{Value: secret.FieldsValue([]byte(`{"big":9007199254740993,"one":1.0,"password":"canary-p"}`))})
	for path, want := range map[string]map[string]any{"app/db": {"value": "canary-one"}, "fields": {"big": "9007199254740993", "one": "1.0", "password": "canary-p"}} {
		got, err := f.kv.Get(t.Context(), path)
		if err != nil || fmt.Sprint(got.Data) != fmt.Sprint(want) {
			t.Errorf("%s reads otherwise with native tools: %v", path, err)
		}
	}
	p, err := f.List(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 2 || p.Secrets[0].Name != "app/db" {
		t.Errorf("List shows %d secrets: %v", len(p.Secrets), err)
	}
	if _, err := f.Get(t.Context(), connection.CompanionFolder+"/app/db", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get of the companion's path: %v", err)
	}
}

// TestV1NativeWrites: a value that native tools wrote is a version by itself,
// whatever stood there before: enabled, and its id is its own.
func TestV1NativeWrites(t *testing.T) {
	f := newFixture(t)
	f.nativePut(t, "s", map[string]any{"value": "canary-text"})
	first := f.mustGet(t, "s")
	if v := first.Versions[0]; v.Ordinal != 1 || first.Current != 1 || !v.Value.Equal(secret.TextValue("canary-text")) || !v.Created.Equal(noTime) {
		t.Errorf("a native value reads as version %d of %v", v.Ordinal, v.Value.Form())
	}
	ours := f.mustPut(t, "s", everything("canary-ours"))
	if ours.Ordinal != 2 {
		t.Errorf("our version is %d, want 2", ours.Ordinal)
	}
	f.nativePut(t, "s", map[string]any{"b": 2, "a": "1"})
	got := f.mustGet(t, "s")
	v := got.Versions[0]
	if v.Ordinal != 3 || got.Current != 3 || v.Disabled || v.Tags != nil || len(v.Stages) > 0 || v.ContentType != connection.JSONType || v.UID == ours.UID || v.UID == first.Versions[0].UID {
		t.Errorf("a native version after ours is %d, with something of ours: %v", v.Ordinal, v.Stages)
	}
	if got.Description != "of the secret" || got.Tags["team"] != "x" {
		t.Error("what belongs to the secret as a whole is gone")
	}
	if _, err := f.Get(t.Context(), "s", secret.ByUID(ours.UID)); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get of the version that was replaced: %v", err)
	}
	upd, err := f.Update(t.Context(), "s", secret.ByUID(v.UID), secret.Patch{Disabled: new(true)})
	if err != nil || upd.Versions[0].ContentType != connection.JSONType || !f.mustGet(t, "s").Versions[0].Disabled {
		t.Errorf("Update of a native version: %v", err)
	}
	if again := f.mustGet(t, "s").Versions[0]; again.UID != v.UID || again.Ordinal != 3 {
		t.Error("an update made another version of it")
	}
	if err := f.kv.Delete(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get after native tools removed it: %v", err)
	}
	if v := f.mustPut(t, "s", kvtest.Text("anew")); v.Ordinal != 1 || v.Disabled {
		t.Errorf("the first version of the next secret is %d", v.Ordinal)
	}
	if s := f.mustGet(t, "s"); s.Description != "" || s.Tags != nil {
		t.Error("the next secret of the name has something of the one that was removed")
	}
}

// TestV1TrashAndNativeWrites: a deleted secret stays readable to native tools
// until it is purged, and what they write in its place is not purged with it.
func TestV1TrashAndNativeWrites(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("canary-x"))
	if _, err := f.Delete(t.Context(), "s", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if s, err := f.DescribeTrash(t.Context(), "s"); err != nil || !s.Deleted.Purge.IsZero() {
		t.Errorf("DescribeTrash: %v", err)
	}
	if got, err := f.kv.Get(t.Context(), "s"); err != nil || got.Data["value"] != "canary-x" {
		t.Errorf("native tools do not find it: %v", err)
	}
	f.nativePut(t, "s", map[string]any{"value": "canary-theirs"})
	if err := f.Purge(t.Context(), "s"); !errors.Is(err, secret.NotFound) {
		t.Errorf("Purge of what native tools wrote since: %v", err)
	}
	if v := f.mustGet(t, "s").Versions[0]; !v.Value.Equal(secret.TextValue("canary-theirs")) || v.Ordinal != 2 {
		t.Errorf("version %d is there, want theirs", v.Ordinal)
	}
	if _, err := f.Delete(t.Context(), "s", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := f.Purge(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if list, err := f.native.Logical().List(f.conf.Mount); err != nil || list != nil {
		t.Errorf("Purge leaves something behind: %v", err)
	}
}

// TestV1SpoiltSidecar: nobody knows whether the value is disabled; it is not given
// out, and others are listed as ever.
func TestV1SpoiltSidecar(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "other", kvtest.Text("x"))
	for what, spoilt := range map[string]map[string]any{
		"no JSON": {sidecarKey: "{"}, "no text": {sidecarKey: 5}, "another's": {"of": "another"}, "no sidecar": {sidecarKey: `{"L":"x","V":[]}`},
		"a form of tomorrow": {sidecarKey: `{"L":"x","V":[{"H":"x","r":[1,0],"h":1,"V":[{"n":1,"u":"AAAAAAAAAAAAAAAAAAAAAQ","f":"z"}]}]}`},
	} {
		f.mustPut(t, "s", everything("canary-x"))
		f.nativePut(t, connection.CompanionFolder+"/s", spoilt)
		_, err := f.Get(t.Context(), "s", secret.Current)
		_, err2 := f.Export(t.Context(), "s")
		_, err3 := f.Put(t.Context(), "s", kvtest.Text("y"))
		_, err4 := f.Update(t.Context(), "s", secret.Current, secret.Patch{Disabled: new(false)})
		for op, err := range map[string]error{"Get": err, "Export": err2, "Put": err3, "Update": err4} {
			if !errors.Is(err, secret.Conflict) || !strings.Contains(secret.DetailOf(err), connection.CompanionFolder) {
				t.Errorf("%s, %s: %v", what, op, err)
			}
		}
		if s, err := f.Describe(t.Context(), "s"); err != nil || !s.Versions[0].Disabled {
			t.Errorf("%s: the version is to pass for disabled: %v", what, err)
		}
		if p, err := f.List(t.Context(), secret.Query{}); err != nil || len(p.Secrets) != 2 {
			t.Errorf("%s: List shows %d secrets: %v", what, len(p.Secrets), err)
		}
		if err := f.kv.Delete(t.Context(), connection.CompanionFolder+"/s"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestV1FieldsSurvive: any JSON object comes back to the byte.
func TestV1FieldsSurvive(t *testing.T) {
	f := newFixture(t)
	n := 0
	back := func(v secret.Value) bool {
		n++
		name := secret.Name(fmt.Sprint("s", n))
		f.mustPut(t, name, secret.Draft{Value: v})
		return f.mustGet(t, name).Versions[0].Value.Equal(v)
	}
	rapid.Check(t, func(rt *rapid.T) {
		if v := secret.FieldsValue(kvtest.AnyObject(rt)); !back(v) {
			rt.Fatalf("a value of %d bytes came back otherwise", v.Len())
		}
	})
	for i, s := range []string{
		`{"a":9007199254740993}`, `{"a":12345678901234567890}`, `{"a":1.0}`, `{"a":-0}`, `{"a":1e400}`, `{"a":1e21}`, `{"a":1E+2}`, `{ "b":1,"a":2}`, `{}`,
		`{"value":"x"}`, `{"a":"\ud800"}`, `{"a":1,"a":2}`, `{"a":"<&>\u2028"}`, `{"value":null}`, `{"":""}`, `{"ttl":"1h","a":"b"}`, `{"lease":"x"}`,
	} {
		if !back(secret.FieldsValue([]byte(s))) {
			t.Errorf("case %d came back otherwise", i)
		}
	}
}

// TestV1DottedNames: KV v1 refuses two dots in a row; natural names have none,
// and nothing reaches beyond the prefix.
func TestV1DottedNames(t *testing.T) {
	f := newFixture(t, func(c *connection.Options) { c.Prefix = "in/side" })
	for _, name := range []secret.Name{"...", "a..b", "..", "../escaped", "../../escaped", "a/../b", "a/.../b", ".", "a.b", "/escaped"} {
		f.mustPut(t, name, kvtest.Text("canary-"+string(name)))
		if got := f.mustGet(t, name).Versions[0].Value; string(got.Reveal()) != "canary-"+string(name) {
			t.Errorf("%q did not come back", name)
		}
	}
	if list, err := f.native.Logical().List(f.conf.Mount); err != nil || fmt.Sprint(list.Data["keys"]) != "[in/]" {
		t.Errorf("something was written beside the prefix: %v", err)
	}
	if p, err := f.List(t.Context(), secret.Query{}); err != nil || len(p.Secrets) != 10 {
		t.Errorf("List shows %d secrets, want 10: %v", len(p.Secrets), err)
	}
}

// TestV1NoRoom: attributes beyond what a sidecar holds are foretold for an import,
// and refused for a Put and an Update before anything is written; what fits is
// within integrated storage's limit.
func TestV1NoRoom(t *testing.T) {
	t.Parallel()
	server := vaulttest.StartRaft(t, 1).Nodes[0]
	f := over(t, server)
	long := strings.Repeat("t", maxEntry)
	for what, edit := range map[string]func(*secret.Secret){
		"tags":         func(s *secret.Secret) { s.Versions[1].Tags = map[string]string{"a": long} },
		"description":  func(s *secret.Secret) { s.Description = long },
		"tags of it":   func(s *secret.Secret) { s.Tags = map[string]string{"a": long} },
		"extra":        func(s *secret.Secret) { s.Extra = secret.Extra{}.WithText("a", long) },
		"content type": func(s *secret.Secret) { s.Versions[1].ContentType = long },
		"stages":       func(s *secret.Secret) { s.Versions[1].Stages = []string{long} },
		"all, a little": func(s *secret.Secret) {
			s.Description, s.Tags = long[:maxEntry/2], map[string]string{"a": long[:maxEntry/2]}
		},
		"just below": func(s *secret.Secret) { s.Description = long[:maxEntry-2000] },
		"largest of value": func(s *secret.Secret) {
			s.Versions[1].Value = secret.TextValue(strings.Repeat("x", connection.MaxValue))
		},
		"too large": func(s *secret.Secret) {
			s.Versions[1].Value = secret.TextValue(strings.Repeat("x", connection.MaxValue+1))
		},
	} {
		s := kvtest.Many(secret.Name(what), 2, "x")
		edit(s)
		losses := f.Forecast(s)
		if _, err := f.Import(t.Context(), s, ""); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got, err := f.Export(t.Context(), s.Name)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		backendtest.Compare(t, s, got, losses)
		kept := got.Versions[0].Ordinal
		for range 3 { // with as many sidecars as there may be
			f.mustPut(t, s.Name, secret.Draft{Value: secret.TextValue(fmt.Sprint("more-", kept))})
			kept++
		}
	}
	d := everything("x")
	d.Tags = map[string]string{"a": long}
	if _, err := f.Put(t.Context(), "new", d); !errors.Is(err, secret.TooLarge) {
		t.Errorf("Put: %v", err)
	}
	if _, err := f.Get(t.Context(), "new", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get of what was refused: %v", err)
	}
	f.mustPut(t, "new", kvtest.Text("x"))
	if _, err := f.Update(t.Context(), "new", secret.Current, secret.Patch{Tags: &d.Tags}); !errors.Is(err, secret.Lossy) {
		t.Errorf("Update: %v", err)
	}
}
