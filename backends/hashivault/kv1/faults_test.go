package kv1

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestV1CutAnywhere cuts a Put and an Import at each of their writes, before it
// and after it: a reader sees the old state or the new one, the kind of the
// error is honest, and the next Put is sound.
func TestV1CutAnywhere(t *testing.T) {
	f := newFixture(t)
	for _, late := range []bool{false, true} {
		for at := int64(1); at <= 2; at++ {
			name := secret.Name(fmt.Sprintf("put-%v-%d", late, at))
			f.mustPut(t, name, kvtest.Text("first"))
			cut := func() *Store { return f.open(t, &kvtest.Cutter{Next: kvtest.NewWire(t), At: at, Late: late}) }
			_, err := cut().Put(t.Context(), name, everything("canary-disabled"))
			if kind := secret.KindOf(err); err == nil || kind != secret.Unknown && kind != secret.Unavailable {
				t.Errorf("Put cut at %d, late %v: %v", at, late, err)
			}
			v := f.mustGet(t, name).Versions[0]
			if landed := late && at == 2; v.Disabled != landed || (v.Ordinal == 2) != landed || landed && !errors.Is(err, secret.Unknown) {
				t.Errorf("Put cut at %d, late %v: version %d stands, disabled %v, after %v", at, late, v.Ordinal, v.Disabled, err)
			}
			if v := f.mustPut(t, name, kvtest.Text("next")); v.Disabled || v.Tags != nil || len(v.Stages) > 0 || v.Ordinal < 2 {
				t.Error("the next version has attributes of the one that failed")
			}
			s := backendtest.Sample(secret.Name(fmt.Sprintf("import-%v-%d", late, at)))
			if done, err := cut().Import(t.Context(), s, "token"); err == nil || len(done.Stands) > 0 {
				t.Errorf("Import cut at %d, late %v: %v", at, late, err)
			}
			_, err = f.Import(t.Context(), s, "token")
			if landed := late && at == 2; landed != errors.Is(err, secret.AlreadyExists) || !landed && err != nil {
				t.Errorf("the second try of an import: %v", err)
			}
			got, err := f.Export(t.Context(), s.Name)
			if err != nil {
				t.Fatal(err)
			}
			backendtest.Compare(t, s, got, f.Forecast(s))
		}
	}
}

// TestV1LateWrite: a value whose writer gave up arrives after the next one. It
// comes with its own attributes, disabled above all.
func TestV1LateWrite(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("canary-first"))
	var late *http.Request
	wire := kvtest.NewWire(t)
	losing := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, f.conf.Mount+"/s") {
			late = r.Clone(t.Context())
			late.Body, _ = r.GetBody()
			return nil, kvtest.ErrCut
		}
		return wire.RoundTrip(r)
	}))
	if _, err := losing.Put(t.Context(), "s", everything("canary-late")); err == nil {
		t.Fatal("the Put that was cut succeeded")
	}
	if v := f.mustPut(t, "s", kvtest.Text("canary-next")); v.Ordinal != 3 {
		t.Errorf("the next version is %d, want 3: the one on its way has 2", v.Ordinal)
	}
	resp, err := wire.RoundTrip(late)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if v := f.mustGet(t, "s").Versions[0]; v.Ordinal != 2 || !v.Disabled || !v.Value.Equal(secret.TextValue("canary-late")) {
		t.Errorf("version %d stands, disabled %v", v.Ordinal, v.Disabled)
	}
}
