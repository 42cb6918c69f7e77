package kv2

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestNativeReads: what we write, native tools read as they expect.
func TestNativeReads(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "app/db", kvtest.Text("canary-one"))
	f.mustPut(t, "app/db", secret.Draft{Value: secret.FieldsValue([]byte(`{"password":"canary-p","user":"u"}`)), ContentType: connection.JSONType})
	f.mustPut(t, "app/db", secret.Draft{Value: secret.BinaryValue([]byte{0xff, 0x00}), Expires: time.Now().Add(time.Hour)})
	for i, want := range []map[string]any{{"value": "canary-one"}, {"password": "canary-p", "user": "u"}, {"value": "/wA="}} {
		got, err := f.kv.GetVersion(t.Context(), "app/db", i+1)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprint(got.Data), fmt.Sprint(want); a != b {
			t.Errorf("version %d reads otherwise with native tools", i+1)
		}
	}
	m, err := f.kv.GetMetadata(t.Context(), "app/db")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := m.CustomMetadata["vaultferry.v1"]; ok || m.CustomMetadata["vaultferry.v3"] == nil {
		t.Error("a reserved key is there where none is needed, or missing where one is")
	}
}

// TestPlainTextLeavesNoTrace: no reserved key where the product's facts do.
func TestPlainTextLeavesNoTrace(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("a")) // a second one in the same millisecond would need its time kept
	m, err := f.kv.GetMetadata(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.CustomMetadata) != 0 {
		t.Errorf("custom_metadata has %d keys, want none", len(m.CustomMetadata))
	}
}

func TestNativeWrites(t *testing.T) {
	f := newFixture(t)
	f.nativePut(t, "s", map[string]any{"value": "canary-text"})
	f.nativePut(t, "s", map[string]any{"b": "2", "a": 1})
	f.nativePut(t, "s", map[string]any{"value": 5})
	f.nativePut(t, "s", map[string]any{})
	f.nativePut(t, "s", map[string]any{"value": `{"not":"parsed"}`})
	got := f.mustExport(t, "s")
	for i, want := range []secret.Value{
		secret.TextValue("canary-text"), secret.FieldsValue([]byte(`{"a":1,"b":"2"}`)), secret.FieldsValue([]byte(`{"value":5}`)),
		secret.FieldsValue([]byte(`{}`)), secret.TextValue(`{"not":"parsed"}`),
	} {
		v := got.Versions[i]
		if !v.Value.Equal(want) {
			t.Errorf("version %d reads as %v of %d bytes", i+1, v.Value.Form(), v.Value.Len())
		}
		if (v.ContentType == connection.JSONType) != (want.Form() == secret.Fields) {
			t.Errorf("version %d has content type %q", i+1, v.ContentType)
		}
		if again := f.mustGet(t, "s", secret.ByUID(v.UID)).Versions[0]; again.Ordinal != v.Ordinal {
			t.Errorf("version %d cannot be found by its UID", i+1)
		}
	}
	if got.Current != 5 || got.Previous != 4 {
		t.Errorf("current %d, previous %d; want 5, 4", got.Current, got.Previous)
	}
}

// TestNativeWriteAfterOurs: a version that native tools add becomes current,
// as it does there, whatever roles were kept before.
func TestNativeWriteAfterOurs(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("1"))
	f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("2"), KeepCurrent: true})
	f.nativePut(t, "s", map[string]any{"value": "3"})
	wantRoles := func(current, previous secret.Ordinal) {
		t.Helper()
		one, other := f.mustGet(t, "s", secret.Current), f.mustGet(t, "s", secret.ByOrdinal(current))
		if one.Current != current || one.Newest().Ordinal != current || other.Current != current || other.Previous != previous {
			t.Errorf("current %d and %d, previous %d; want %d, %d", one.Current, other.Current, other.Previous, current, previous)
		}
	}
	wantRoles(3, 1)
	f.nativePut(t, "s", map[string]any{"value": "4"})
	wantRoles(4, 3)
}

func TestNativeDeletions(t *testing.T) {
	f := newFixture(t)
	for i := range 4 {
		f.nativePut(t, "s", map[string]any{"value": fmt.Sprint("canary-", i+1)})
	}
	if err := errors.Join(f.kv.DeleteVersions(t.Context(), "s", []int{2}), f.kv.Destroy(t.Context(), "s", []int{3})); err != nil {
		t.Fatal(err)
	}
	got := f.mustExport(t, "s")
	for i, want := range []secret.Missing{"", secret.Deleted, secret.Destroyed, ""} {
		if v := got.Versions[i]; v.Missing != want || v.Value.IsNone() != (want != "") {
			t.Errorf("version %d is missing %q, want %q", i+1, v.Missing, want)
		}
	}
	if n := len(secret.ExportLosses(got)); n != 1 {
		t.Errorf("%d losses of the export, want that of the deleted version", n)
	}
	if err := f.kv.Delete(t.Context(), "s"); err != nil { // the newest
		t.Fatal(err)
	}
	if v := f.mustGet(t, "s", secret.Current).Versions[0]; v.Ordinal != 4 || v.Missing != secret.Deleted {
		t.Errorf("current is version %d, missing %q", v.Ordinal, v.Missing)
	}
	d := kvtest.Text("x")
	d.OnlyIfAbsent = true
	if _, err := f.Put(t.Context(), "s", d); !errors.Is(err, secret.AlreadyExists) {
		t.Errorf("a key with history is not taken: %v", err)
	}
	if err := f.kv.DeleteMetadata(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get after the metadata went: %v", err)
	}
}

// TestPrunedNatively: what the product dropped is a gap, no error.
func TestPrunedNatively(t *testing.T) {
	f := newFixture(t)
	for i := range 13 {
		f.nativePut(t, "s", map[string]any{"value": fmt.Sprint(i + 1)})
	}
	got := f.mustExport(t, "s")
	if len(got.Versions) != 10 || got.Versions[0].Ordinal != 4 {
		t.Fatalf("%d versions from %d, want 10 from 4", len(got.Versions), got.Versions[0].Ordinal)
	}
	f.mustPut(t, "s", kvtest.Text("14"))
	if got := f.mustExport(t, "s"); len(got.Versions) != 11 || got.Versions[0].Ordinal != 4 {
		t.Errorf("after our Put %d versions from %d, want 11 from 4", len(got.Versions), got.Versions[0].Ordinal)
	}
}

// TestRemovedAndMadeAnew: the companion of a secret that native tools removed
// says nothing about the next one of that name.
func TestRemovedAndMadeAnew(t *testing.T) {
	f := newFixture(t)
	long := secret.Draft{Value: secret.TextValue("x"), Tags: map[string]string{"long": strings.Repeat("t", 2000)}, Disabled: true}
	f.mustPut(t, "s", long)
	if got := f.mustGet(t, "s", secret.Current).Versions[0]; len(got.Tags["long"]) != 2000 || !got.Disabled {
		t.Fatal("the attributes did not come back")
	}
	if err := f.kv.DeleteMetadata(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	f.nativePut(t, "s", map[string]any{"value": "new"})
	long.Disabled = false
	f.mustPut(t, "s", long)
	got := f.mustExport(t, "s")
	if v := got.Versions[0]; v.Disabled || v.Tags != nil {
		t.Error("a new version has attributes of one that was removed")
	}
	if len(got.Versions[1].Tags["long"]) != 2000 {
		t.Error("the attributes did not come back after the companion was taken over")
	}
}

func TestReservedFolderIsHidden(t *testing.T) {
	f := newFixture(t)
	big := strings.Repeat("t", 2000)
	f.mustPut(t, "a/s", secret.Draft{Value: secret.TextValue("x"), Tags: map[string]string{"long": big}})
	keys, err := f.native.Logical().List(f.conf.Mount + "/metadata/" + connection.CompanionFolder)
	if err != nil || keys == nil {
		t.Fatalf("there is no companion: %v", err)
	}
	p, err := f.List(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 1 || p.Secrets[0].Name != "a/s" {
		t.Errorf("List shows %d secrets: %v", len(p.Secrets), err)
	}
	if _, err := f.Get(t.Context(), connection.CompanionFolder+"/a/s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get of the companion's path: %v", err)
	}
}

// TestListOfNativeFolders: order and paging over names that native tools made.
func TestListOfNativeFolders(t *testing.T) {
	f := newFixture(t)
	want := []secret.Name{"a", "a b", "a-b", "a.b", "a/b", "a/b/c", "a0", "x0-", "x0-zz", "é"}
	for _, n := range want {
		f.nativePut(t, string(n), map[string]any{"value": "x"})
	}
	f.mustPut(t, "..", kvtest.Text("x"))
	f.mustPut(t, "a//b", kvtest.Text("x"))
	want = append(want, "..", "a//b")
	slices.Sort(want)
	var got []secret.Name
	for q := (secret.Query{Limit: 3}); ; {
		p, err := f.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Secrets {
			got = append(got, s.Name)
		}
		if q.After = p.Next; p.Next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

// TestFieldsSurvive: any JSON object comes back to the byte, whatever the
// product does to numbers.
func TestFieldsSurvive(t *testing.T) {
	f := newFixture(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		v := secret.FieldsValue(kvtest.AnyObject(rt))
		n++
		name := secret.Name(fmt.Sprint("s", n))
		if _, err := f.Put(t.Context(), name, secret.Draft{Value: v}); err != nil {
			rt.Fatalf("Put: %v", err)
		}
		if got := f.mustGet(t, name, secret.Current).Versions[0].Value; !got.Equal(v) {
			rt.Fatalf("a value of %d bytes came back with %d bytes", v.Len(), got.Len())
		}
	})
	for _, s := range []string{
		`{"a":9007199254740993}`, `{"a":12345678901234567890}`, `{"a":1.0}`, `{"a":-0}`, `{"a":1e400}`, `{"a":1e21}`, `{"a":0.1}`, `{ "b":1,"a":2}`,
		`{"value":"x"}`, `{"a":"\ud800"}`, `{"a":1,"a":2}`, `{"a":"<&>\u2028"}`, `{"value":null}`, `{"":""}`,
	} {
		n++
		name, v := secret.Name(fmt.Sprint("s", n)), secret.FieldsValue([]byte(s))
		f.mustPut(t, name, secret.Draft{Value: v})
		if got := f.mustGet(t, name, secret.Current).Versions[0].Value; !got.Equal(v) {
			t.Errorf("case %d: %v of %d bytes came back as %v of %d bytes", n, v.Form(), v.Len(), got.Form(), got.Len())
		}
	}
}

// TestTraversal: no name reaches beyond the prefix (trap 2.1).
func TestTraversal(t *testing.T) {
	f := newFixture(t, func(c *connection.Options) { c.Prefix = "in/side" })
	other := f.server.NewMountV1(t)
	outside := f.kv
	for _, s := range []string{
		"../escaped", "../../escaped", "../../../" + other + "/escaped", "a/../../escaped", "..", ".", "a/./b", "/escaped", "//escaped",
		"..%2fescaped", "%2e%2e/escaped", "..\\escaped", "escaped/", "./escaped", "a/..", "x/../y", "\u2025/escaped", "..;/escaped",
	} {
		name := secret.Name(s)
		f.mustPut(t, name, kvtest.Text("canary-"+s))
		if got := f.mustGet(t, name, secret.Current).Versions[0].Value; string(got.Reveal()) != "canary-"+s {
			t.Errorf("%q did not come back", s)
		}
	}
	if list, err := f.native.Logical().List(f.conf.Mount + "/metadata"); err != nil || fmt.Sprint(list.Data["keys"]) != "[in/]" {
		t.Errorf("something was written beside the prefix: %v", err)
	}
	if list, err := f.native.Logical().List(f.conf.Mount + "/metadata/in"); err != nil || fmt.Sprint(list.Data["keys"]) != "[side/]" {
		t.Errorf("something was written beside the prefix: %v", err)
	}
	if list, err := f.native.Logical().List(other); err != nil || list != nil {
		t.Errorf("something was written into another mount: %v", err)
	}
	if _, err := outside.Put(t.Context(), "secret", map[string]any{"value": "canary-outside"}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []secret.Name{"../../secret", "../../../" + secret.Name(f.conf.Mount) + "/secret", "a/../../../secret"} {
		if _, err := f.Get(t.Context(), s, secret.Current); !errors.Is(err, secret.NotFound) {
			t.Errorf("%q is found: %v", s, err)
		}
	}
}

// TestImportIsNatural: an imported sample reads well with native tools.
func TestImportIsNatural(t *testing.T) {
	f := newFixture(t)
	s := backendtest.Sample("s")
	if _, err := f.Import(t.Context(), s, "token"); err != nil {
		t.Fatal(err)
	}
	for i := range s.Versions {
		v := &s.Versions[i]
		if v.Value.Form() != secret.Text {
			continue
		}
		got, err := f.kv.GetVersion(t.Context(), "s", int(v.Ordinal))
		if err != nil || got.Data["value"] != string(v.Value.Reveal()) {
			t.Errorf("version %d reads otherwise with native tools: %v", v.Ordinal, err)
		}
	}
	m, err := f.kv.GetMetadata(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	for key, v := range m.CustomMetadata {
		if s, ok := v.(string); !ok || len(s) > maxEntry || len(key) > 128 {
			t.Errorf("custom_metadata %s is too long to be written back", key)
		}
	}
	if m.CustomMetadata[importKey] != nil {
		t.Error("the marker stays")
	}
}

// TestPlaceThatDeletes: where Vault would take the imported versions away
// again the import is refused before anything is written, or after the first
// version where the gateway may not look before.
func TestPlaceThatDeletes(t *testing.T) {
	for what, c := range map[string]struct {
		mount, key string
		blind      bool
		want       secret.Kind // Internal: none
	}{
		"mount":               {mount: "1h", want: secret.Unsupported},
		"mount, blind":        {mount: "1h", blind: true, want: secret.Partial},
		"key":                 {mount: "0s", key: "1h", want: secret.Unsupported},
		"mount, longer key":   {mount: "1h", key: "2h", want: secret.Unsupported},
		"key, never by mount": {mount: "-1s", key: "1h"},
		"neither":             {mount: "0s"},
		"neither, blind":      {mount: "0s", blind: true},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			f.nativeWrite(t, "config", map[string]any{"delete_version_after": c.mount})
			if c.key != "" {
				f.nativeWrite(t, "metadata/s", map[string]any{"delete_version_after": c.key})
			}
			s := f.Store
			if c.blind {
				f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount))))
				s = f.open(t, nil)
			}
			_, err := s.Import(t.Context(), backendtest.Sample("s"), "token")
			if c.want == secret.Internal {
				if err != nil {
					t.Errorf("Import: %v", err)
				}
				return
			}
			if !errors.Is(err, c.want) || !strings.Contains(secret.DetailOf(err), "delete_version_after") {
				t.Errorf("Import: %v", err)
			}
			if _, err := f.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.NotFound) {
				t.Errorf("Get: %v", err)
			}
			m, err := f.kv.GetMetadata(t.Context(), "s")
			if wrote := err == nil && (m.CurrentVersion > 0 || len(m.CustomMetadata) > 0); wrote != c.blind {
				t.Errorf("something is written: %v", wrote)
			}
		})
	}
}

// purger takes the key away natively before the first read of a version.
type purger struct {
	http.RoundTripper
	purge func()
	once  sync.Once
}

func (p *purger) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/data/") {
		p.once.Do(p.purge)
	}
	return p.RoundTripper.RoundTrip(r)
}

// TestPurgedWhileUpdated: a version that goes away while it is changed is somebody
// else's doing, and no fault of the gateway.
func TestPurgedWhileUpdated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.nativePut(t, "a", map[string]any{"value": "v"})
	p := &purger{RoundTripper: kvtest.NewWire(t), purge: func() {
		if err := f.kv.DeleteMetadata(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	}}
	disabled := true
	_, err := f.open(t, p).Update(t.Context(), "a", secret.Current, secret.Patch{Disabled: &disabled})
	if secret.KindOf(err) != secret.Conflict {
		t.Errorf("%v, want a conflict", err)
	}
	if s, err := f.kv.GetMetadata(t.Context(), "a"); err == nil {
		t.Errorf("the key is back: %+v", s)
	}
}
