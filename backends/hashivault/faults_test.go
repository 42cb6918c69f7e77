package hashivault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

var errCut = errors.New("the line was cut")

// cutter lets requests through until the one with a number: that fails before
// it is sent, or, with late set, after it took effect. So do all that follow.
type cutter struct {
	next   http.RoundTripper
	at     int64
	late   bool
	writes atomic.Int64
}

func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		if c.writes.Load() >= c.at {
			return nil, errCut
		}
		return c.next.RoundTrip(r)
	}
	switch n := c.writes.Add(1); {
	case n < c.at:
		return c.next.RoundTrip(r)
	case n == c.at && c.late:
		resp, err := c.next.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	return nil, errCut
}

// TestImportCutAnywhere cuts an import at each of its writes, before it and
// after it: readers see nothing, others are told of a conflict, and a second
// try completes it exactly, in the hands of another process.
func TestImportCutAnywhere(t *testing.T) {
	f := newFixture(t)
	sample := backendtest.Sample("x")
	for o := range sample.Versions { // so that there is a companion as well
		sample.Versions[o].Tags = map[string]string{"long": strings.Repeat("t", 600)}
	}
	for _, late := range []bool{false, true} {
		for at := int64(1); ; at++ {
			s := sample.Clone()
			s.Name = secret.Name(fmt.Sprintf("cut-%v-%d", late, at))
			c := &cutter{next: newWire(t), at: at, late: late}
			done, err := f.open(t, c).Import(t.Context(), s, "token")
			if err == nil {
				if c.writes.Load() < 15 {
					t.Errorf("the import took %d writes only", c.writes.Load())
				}
				break
			}
			checkCut(t, f, s, done, err)
			if t.Failed() {
				t.Fatalf("cut at write %d, late %v", at, late)
			}
		}
	}
}

func checkCut(t *testing.T, f *fixture, s *secret.Secret, done *backends.Imported, err error) {
	t.Helper()
	kind := secret.KindOf(err)
	if kind != secret.Partial && kind != secret.Unknown && kind != secret.Unavailable {
		t.Errorf("cut: %v", err)
	}
	if kind == secret.Unavailable && done != nil && len(done.Stands) > 0 {
		t.Error("versions stand, and the error says that nothing was changed")
	}
	got, err := f.Export(t.Context(), s.Name)
	if err == nil { // the cut was after the last write: all is there
		backendtest.Compare(t, s, got, f.Forecast(s))
		return
	}
	if !errors.Is(err, secret.NotFound) {
		t.Errorf("Export of an unfinished import: %v", err)
	}
	if p, err := f.List(t.Context(), secret.Query{After: s.Name[:len(s.Name)-1], Limit: 1}); err == nil && len(p.Secrets) > 0 && p.Secrets[0].Name == s.Name {
		t.Error("an unfinished import is listed")
	}
	m, err := f.kv.GetMetadata(t.Context(), string(s.Name))
	if err == nil && m.CustomMetadata[markerKey] != nil {
		if m.CurrentVersion > 0 { // else it may take over
			if _, err := f.Import(t.Context(), s, "another token"); !errors.Is(err, secret.Conflict) {
				t.Errorf("an import with another token: %v", err)
			}
		}
		if _, err := f.Put(t.Context(), s.Name, text("x")); !errors.Is(err, secret.Conflict) {
			t.Errorf("Put onto an unfinished import: %v", err)
		}
	}
	again, err := f.Import(t.Context(), s, "token")
	if err != nil {
		t.Errorf("the second try: %v", err)
		return
	}
	if len(again.Stands) != len(s.Versions) {
		t.Errorf("%d versions stand after the second try, want %d", len(again.Stands), len(s.Versions))
	}
	if got, err = f.Export(t.Context(), s.Name); err != nil {
		t.Errorf("Export after the second try: %v", err)
		return
	}
	backendtest.Compare(t, s, got, f.Forecast(s))
}

// TestImportOfNothing: an import that ended before its first version holds no
// name: it takes its marker back or, where even that fails, the next import
// takes over, whatever its token.
func TestImportOfNothing(t *testing.T) {
	f := newFixture(t)
	wire := newWire(t)
	var caller context.CancelFunc
	gone := roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/data/") {
			caller()
			return nil, errCut
		}
		return wire.RoundTrip(r)
	})
	var ctx context.Context
	ctx, caller = context.WithCancel(t.Context())
	defer caller()
	if _, err := f.open(t, gone).Import(ctx, backendtest.Sample("s"), "token"); !errors.Is(err, secret.Unavailable) {
		t.Fatalf("the import that ended: %v", err)
	}
	f.mustPut(t, "s", text("mine"))

	cut := &cutter{next: newWire(t), at: 3} // the key and the marker stand
	if _, err := f.open(t, cut).Import(t.Context(), backendtest.Sample("t"), "token"); err == nil {
		t.Fatal("the cut import succeeded")
	}
	m, err := f.kv.GetMetadata(t.Context(), "t")
	if err != nil || m.CurrentVersion != 0 || m.CustomMetadata[markerKey] == nil {
		t.Fatalf("there is no marker without a version: %v", err)
	}
	other := backendtest.Sample("t")
	other.Description = "another"
	if _, err := f.Import(t.Context(), other, "another token"); err != nil {
		t.Fatalf("the import that takes over: %v", err)
	}
	backendtest.Compare(t, other, f.mustExport(t, "t"), f.Forecast(other))
}

// TestImportIntruded: native tools wrote into an unfinished import; the second
// try finds that, writes nothing and says so.
func TestImportIntruded(t *testing.T) {
	f := newFixture(t)
	s := backendtest.Sample("s")
	if _, err := f.open(t, &cutter{next: newWire(t), at: 6}).Import(t.Context(), s, "token"); err == nil {
		t.Fatal("the cut import succeeded")
	}
	f.nativePut(t, "s", map[string]any{"value": "canary-intruder"})
	before, err := f.kv.GetMetadata(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Import(t.Context(), s, "token"); !errors.Is(err, secret.Conflict) {
		t.Errorf("the second try: %v", err)
	}
	after, err := f.kv.GetMetadata(t.Context(), "s")
	if err != nil || before.CurrentVersion != after.CurrentVersion {
		t.Errorf("the second try wrote something: %v", err)
	}
}

// TestPutCutAnywhere: whatever is cut, a disabled version never shows as
// enabled, the kind of the error is honest, and the next Put is sound.
func TestPutCutAnywhere(t *testing.T) {
	f := newFixture(t)
	for _, late := range []bool{false, true} {
		for at := int64(1); ; at++ {
			name := secret.Name(fmt.Sprintf("put-%v-%d", late, at))
			f.mustPut(t, name, text("first"))
			d := secret.Draft{
				Value: secret.TextValue("canary-disabled"), Disabled: true, KeepCurrent: true, Stages: []string{"blue"},
				Tags: map[string]string{"long": strings.Repeat("t", 600)}, OfSecret: &secret.Attributes{Description: "d"},
			}
			_, err := f.open(t, &cutter{next: newWire(t), at: at, late: late}).Put(t.Context(), name, d)
			if err == nil {
				break
			}
			checkPutCut(t, f, name, err)
			if t.Failed() {
				t.Fatalf("cut at write %d, late %v", at, late)
			}
		}
	}
}

func checkPutCut(t *testing.T, f *fixture, name secret.Name, err error) {
	t.Helper()
	if kind := secret.KindOf(err); kind != secret.Partial && kind != secret.Unknown && kind != secret.Unavailable {
		t.Errorf("cut: %v", err)
	}
	got := f.mustExport(t, name)
	if got.Current != 1 {
		t.Errorf("current is %d, want the first", got.Current)
	}
	if n := len(got.Versions); n == 2 && !got.Versions[1].Disabled {
		t.Error("a disabled version shows as enabled")
	} else if n == 2 && errors.Is(err, secret.Unavailable) {
		t.Error("the version is there, and the error says that nothing was changed")
	}
	v := f.mustPut(t, name, text("next"))
	if v.Disabled || v.Tags != nil || len(v.Stages) > 0 {
		t.Error("the next version has attributes of the one that failed")
	}
	if got := f.mustGet(t, name, secret.Current); got.Current != v.Ordinal || got.Versions[0].Disabled {
		t.Errorf("current is %d, want the next version, %d", got.Current, v.Ordinal)
	}
}

// TestForeignWriter: another gateway takes the number while a disabled version
// is on its way. Nobody gets the other's attributes.
func TestForeignWriter(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", text("first"))
	var once atomic.Bool
	wire := newWire(t)
	between := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/data/s") && once.CompareAndSwap(false, true) {
			f.mustPut(t, "s", text("theirs"))
		}
		return wire.RoundTrip(r)
	})
	_, err := f.open(t, between).Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("ours"), Disabled: true, KeepCurrent: true, Tags: map[string]string{"long": strings.Repeat("t", 600)}})
	if err != nil {
		t.Fatal(err)
	}
	got := f.mustExport(t, "s")
	if len(got.Versions) != 3 || got.Versions[1].Disabled || got.Versions[1].Tags != nil || !got.Versions[2].Disabled || got.Versions[2].Tags == nil {
		t.Error("the attributes went to another version")
	}
	if got.Current != 2 {
		t.Errorf("current is %d, want 2", got.Current)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSealedAndStopped(t *testing.T) {
	server := vaulttest.Start(t)
	f := &fixture{server: server}
	f.conf.SetDefaults()
	f.conf.Address, f.conf.Token = server.Address, secret.TextValue(vaulttest.RootToken)
	f.Store = f.open(t, nil)
	f.mustPut(t, "s", text("x"))
	check := func(what string) {
		t.Helper()
		for op, call := range map[string]func(context.Context) error{
			"Put":    func(ctx context.Context) error { _, err := f.Put(ctx, "s", text("y")); return err },
			"Get":    func(ctx context.Context) error { _, err := f.Get(ctx, "s", secret.Current); return err },
			"Import": func(ctx context.Context) error { _, err := f.Import(ctx, backendtest.Sample("t"), "token"); return err },
			"Check":  f.Check,
		} {
			if err := call(t.Context()); secret.KindOf(err) != secret.Unavailable {
				t.Errorf("%s, %s: %v", what, op, err)
			}
		}
	}
	server.Seal(t)
	check("sealed")
	server.Stop()
	check("stopped")
	b, err := open(t.Context(), backends.Env{Store: "s"}, &f.conf)
	if err != nil {
		t.Fatalf("a gateway cannot start while Vault is down: %v", err)
	}
	_ = b.Close()
}

// TestImportKeepsNobodyWaiting: while an import stands still, readers of the
// name and of the list go on, and a writer waits no longer than its context.
func TestImportKeepsNobodyWaiting(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "other", text("x"))
	wire, reached, release := newWire(t), make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := f.open(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/data/s") {
			once.Do(func() {
				close(reached)
				<-release
			})
		}
		return wire.RoundTrip(r)
	}))
	done := make(chan error, 1)
	go func() {
		_, err := s.Import(t.Context(), backendtest.Sample("s"), "token")
		done <- err
	}()
	<-reached
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := s.Get(ctx, "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get: %v", err)
	}
	if p, err := s.List(ctx, secret.Query{}); err != nil || len(p.Secrets) != 1 {
		t.Errorf("List shows %d secrets, want 1: %v", len(p.Secrets), err)
	}
	brief, cancelBrief := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancelBrief()
	if _, err := s.Put(brief, "s", text("y")); !errors.Is(err, secret.Unavailable) {
		t.Errorf("Put: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("Import: %v", err)
	}
}
