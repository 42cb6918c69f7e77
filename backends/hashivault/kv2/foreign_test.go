package kv2

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// custom sets keys of custom_metadata as native tools would.
func (f *fixture) custom(t *testing.T, path string, keys map[string]any) {
	t.Helper()
	_, err := f.native.Logical().JSONMergePatch(t.Context(), f.conf.Mount+"/metadata/"+path, map[string]any{"custom_metadata": keys})
	if err != nil {
		t.Fatalf("native patch: %v", err)
	}
}

// wantForeign proves of the secret "s": nothing that could be disabled is
// given out, nothing is written, and others are listed as ever.
func (f *fixture) wantForeign(t *testing.T, disabled secret.Ordinal) {
	t.Helper()
	_, err := f.Get(t.Context(), "s", secret.ByOrdinal(disabled))
	_, err2 := f.Export(t.Context(), "s")
	for what, err := range map[string]error{"Get": err, "Export": err2} {
		if !errors.Is(err, secret.Conflict) || !strings.Contains(secret.DetailOf(err), "vaultferry") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := f.Describe(t.Context(), "s"); err != nil {
		t.Errorf("Describe: %v", err)
	}
	if _, err := f.Import(t.Context(), backendtest.Sample("s"), "token"); !errors.Is(err, secret.AlreadyExists) {
		t.Errorf("Import: %v", err)
	}
	p, err := f.List(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 2 {
		t.Errorf("List shows %d secrets, want 2: %v", len(p.Secrets), err)
	}
}

// TestForeignHead: native tools spoilt what is kept of a secret.
func TestForeignHead(t *testing.T) {
	for what, head := range map[string]string{
		"no JSON": "{", "another type": `{"r":[1,0],"A":"x"}`, "falling ordinals": `{"r":[1,0],"l":[[5,1000],[2,3]]}`, "a gap of ordinals below": `{"r":[1,0],"l":[[1,-1]]}`,
		"no extra": `{"r":[1,0],"x":{"a":{}`, "a stage without a name": `{"r":[1,0],"s":{"":1}}`,
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			f.mustPut(t, "other", kvtest.Text("x"))
			f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("canary-x"), Disabled: true, Stages: []string{"blue"}})
			f.custom(t, "s", map[string]any{headKey: head})
			f.wantForeign(t, 1)
			if _, err := f.Put(t.Context(), "s", kvtest.Text("y")); !errors.Is(err, secret.Conflict) {
				t.Errorf("Put: %v", err)
			}
			f.custom(t, "s", map[string]any{headKey: nil})
			if v := f.mustGet(t, "s", secret.Current).Versions[0]; !v.Disabled {
				t.Error("the version is enabled once the head is gone")
			}
		})
	}
}

// TestForeignRecord: one version is spoilt, the others are as they were.
func TestForeignRecord(t *testing.T) {
	for what, record := range map[string]string{
		"no JSON": "true", "cut": `{"d":tr`, "a form of tomorrow": `{"f":"z"}`, "no UID": `{"u":"xyz"}`, "a reason of tomorrow": `{"a":"lent"}`,
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			f.mustPut(t, "other", kvtest.Text("x"))
			f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("canary-x"), Disabled: true})
			f.mustPut(t, "s", kvtest.Text("canary-y"))
			f.custom(t, "s", map[string]any{keyOf(1): record})
			f.wantForeign(t, 1)
			if _, err := f.Get(t.Context(), "s", secret.ByUID(secret.NewUID())); !errors.Is(err, secret.Conflict) {
				t.Errorf("Get by a UID that may be the spoilt version's: %v", err)
			}
			if s, err := f.Describe(t.Context(), "s"); err != nil || !s.Versions[0].Disabled || s.Versions[1].Disabled {
				t.Errorf("Describe: the spoilt version is to pass for disabled: %v", err)
			}
			if v := f.mustGet(t, "s", secret.Current).Versions[0]; v.Ordinal != 2 || v.Value.Len() != len("canary-y") {
				t.Error("the other version cannot be read")
			}
			f.mustPut(t, "s", kvtest.Text("canary-z"))
		})
	}
}

// TestCompanionTaken: what stood in the companion is gone, a disabled flag
// perhaps; that is no reason to give the value out.
func TestCompanionTaken(t *testing.T) {
	long := map[string]string{"long": strings.Repeat("t", 2000)}
	for what, take := range map[string]func(f *fixture, path string) error{
		"deleted":   func(f *fixture, path string) error { return f.kv.Delete(t.Context(), path) },
		"destroyed": func(f *fixture, path string) error { return f.kv.Destroy(t.Context(), path, []int{1, 2, 3}) },
		"removed":   func(f *fixture, path string) error { return f.kv.DeleteMetadata(t.Context(), path) },
		"another's": func(f *fixture, path string) error {
			_, err := f.kv.Put(t.Context(), path, map[string]any{"of": "another"})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			f.mustPut(t, "other", kvtest.Text("x"))
			f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("canary-x"), Disabled: true, Tags: long})
			if err := take(f, connection.CompanionFolder+"/s"); err != nil {
				t.Fatal(err)
			}
			f.wantForeign(t, 1)
		})
	}
}

// TestLoserTouchesNothing: two gateways write disabled versions at once. The
// one that loses the number takes back what it put down, and nothing of the
// winner's, whenever its requests arrive.
func TestLoserTouchesNothing(t *testing.T) {
	f := newFixture(t)
	winner := f.open(t, nil)
	for _, moment := range []string{http.MethodPatch, http.MethodPut} { // before the loser's record, or after it
		name := secret.Name("s-" + moment)
		f.mustPut(t, name, kvtest.Text("first"))
		d := secret.Draft{Value: secret.TextValue("canary-same"), Disabled: true}
		var once atomic.Bool
		wire := kvtest.NewWire(t)
		between := kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == moment && once.CompareAndSwap(false, true) {
				if _, err := winner.Put(t.Context(), name, d); err != nil {
					t.Errorf("the winner's Put: %v", err)
				}
			}
			return wire.RoundTrip(r)
		})
		if _, err := f.open(t, between).Put(t.Context(), name, d); err != nil {
			t.Fatal(err)
		}
		got := f.mustExport(t, name)
		if len(got.Versions) != 3 || !got.Versions[1].Disabled || !got.Versions[2].Disabled {
			t.Errorf("%s: of %d versions one is no longer disabled", moment, len(got.Versions))
		}
		m, err := f.kv.GetMetadata(t.Context(), string(name))
		if err != nil {
			t.Fatal(err)
		}
		for k := range m.CustomMetadata {
			if strings.HasPrefix(k, aheadKey) {
				t.Errorf("%s: %s stays behind", moment, k)
			}
		}
	}
}

// TestFormStandsFirst: nobody ever reads the base64 of bytes as a text, also
// when the write is torn behind the value.
func TestFormStandsFirst(t *testing.T) {
	f := newFixture(t)
	want := secret.BinaryValue([]byte("\xff\x00canary"))
	f.mustPut(t, "s", kvtest.Text("first"))
	wire := kvtest.NewWire(t)
	var value atomic.Bool
	torn := kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if value.Load() {
			return nil, kvtest.ErrCut
		}
		value.Store(strings.Contains(r.URL.Path, "/data/") && r.Method == http.MethodPut)
		return wire.RoundTrip(r)
	})
	if _, err := f.open(t, torn).Put(t.Context(), "s", secret.Draft{Value: want}); !errors.Is(err, secret.Partial) {
		t.Fatalf("the torn Put: %v", err)
	}
	if got := f.mustGet(t, "s", secret.Current).Versions[0]; got.Ordinal != 2 || !got.Value.Equal(want) {
		t.Errorf("version %d reads as %v of %d bytes", got.Ordinal, got.Value.Form(), got.Value.Len())
	}
}
