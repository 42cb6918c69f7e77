package kv2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

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
			c := &kvtest.Cutter{Next: kvtest.NewWire(t), At: at, Late: late}
			done, err := f.open(t, c).Import(t.Context(), s, "token")
			if err == nil {
				if c.Writes.Load() < 15 {
					t.Errorf("the import took %d writes only", c.Writes.Load())
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
	if err == nil && m.CustomMetadata[importKey] != nil {
		if m.CurrentVersion > 0 { // else it may take over
			if _, err := f.Import(t.Context(), s, "another token"); !errors.Is(err, secret.Conflict) {
				t.Errorf("an import with another token: %v", err)
			}
		}
		if _, err := f.Put(t.Context(), s.Name, kvtest.Text("x")); !errors.Is(err, secret.Conflict) {
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
	wire := kvtest.NewWire(t)
	var caller context.CancelFunc
	gone := kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/data/") {
			caller()
			return nil, kvtest.ErrCut
		}
		return wire.RoundTrip(r)
	})
	var ctx context.Context
	ctx, caller = context.WithCancel(t.Context())
	defer caller()
	if _, err := f.open(t, gone).Import(ctx, backendtest.Sample("s"), "token"); !errors.Is(err, secret.Unavailable) {
		t.Fatalf("the import that ended: %v", err)
	}
	f.mustPut(t, "s", kvtest.Text("mine"))

	cut := &kvtest.Cutter{Next: kvtest.NewWire(t), At: 3} // the key and the marker stand
	if _, err := f.open(t, cut).Import(t.Context(), backendtest.Sample("t"), "token"); err == nil {
		t.Fatal("the cut import succeeded")
	}
	m, err := f.kv.GetMetadata(t.Context(), "t")
	if err != nil || m.CurrentVersion != 0 || m.CustomMetadata[importKey] == nil {
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
	if _, err := f.open(t, &kvtest.Cutter{Next: kvtest.NewWire(t), At: 6}).Import(t.Context(), s, "token"); err == nil {
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
			f.mustPut(t, name, kvtest.Text("first"))
			d := secret.Draft{
				Value: secret.TextValue("canary-disabled"), Disabled: true, KeepCurrent: true, Stages: []string{"blue"},
				Tags: map[string]string{"long": strings.Repeat("t", 600)}, OfSecret: &secret.Attributes{Description: "d"},
			}
			_, err := f.open(t, &kvtest.Cutter{Next: kvtest.NewWire(t), At: at, Late: late}).Put(t.Context(), name, d)
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

// TestAppendCutAnywhere: a version that came from another store is known again by
// its id as soon as it stands, with all that belongs to it, its labels and its roles
// too, wherever the write was cut: an append that is made again adds it once, and
// finds nothing to mend. The next write keeps it so.
func TestAppendCutAnywhere(t *testing.T) {
	f := newFixture(t)
	for what, role := range map[string]func(*secret.Draft){
		"current":  func(*secret.Draft) {},
		"kept":     func(d *secret.Draft) { d.KeepCurrent = true },
		"previous": func(d *secret.Draft) { d.KeepCurrent, d.TakePrevious = true, true },
		"large":    func(d *secret.Draft) { d.Tags["long"] = strings.Repeat("x", 400) },
		"large previous": func(d *secret.Draft) {
			d.Tags["long"], d.KeepCurrent, d.TakePrevious = strings.Repeat("x", 400), true, true
		},
	} {
		for _, late := range []bool{false, true} {
			for at := int64(1); ; at++ {
				name := secret.Name(fmt.Sprintf("append-%s-%v-%d", what, late, at))
				for _, stages := range [][]string{{"moves"}, {"stays"}, nil} {
					d := kvtest.Text("before")
					d.Stages = stages
					f.mustPut(t, name, d)
				}
				d := secret.Draft{
					Value: secret.TextValue("hush"), UID: secret.NewUID(), ContentType: "text/plain", Tags: map[string]string{"a": "b"}, Stages: []string{"moves", "new"},
					Created: time.Unix(1_700_000_000, 0).UTC(), Updated: time.Unix(1_700_000_001, 0).UTC(),
				}
				role(&d)
				_, err := f.open(t, &kvtest.Cutter{Next: kvtest.NewWire(t), At: at, Late: late}).Put(t.Context(), name, d)
				f.checkAppended(t, name, &d, fmt.Sprintf("%s, cut at write %d, late %v", what, at, late))
				if _, err := f.open(t, kvtest.NewWire(t)).Update(t.Context(), name, secret.ByOrdinal(2), secret.Patch{AddStages: []string{"later"}}); err != nil {
					t.Fatal(err)
				}
				f.checkAppended(t, name, &d, fmt.Sprintf("%s, cut at write %d, late %v, and updated", what, at, late))
				f.checkLabelGoesOn(t, name, fmt.Sprintf("%s, cut at write %d, late %v", what, at, late))
				if err == nil {
					break
				}
			}
		}
	}
}

// checkAppended wants the fourth version whole, or nothing of it.
func (f *fixture) checkAppended(t *testing.T, name secret.Name, d *secret.Draft, when string) {
	t.Helper()
	got := f.mustExport(t, name)
	current, previous, moved := secret.Ordinal(3), secret.Ordinal(2), 0
	if len(got.Versions) == 4 {
		moved = 3
		v := got.Versions[3]
		if v.UID != d.UID || v.ContentType != d.ContentType || !secret.SameTags(v.Tags, d.Tags) || !v.Created.Equal(d.Created) {
			t.Errorf("%s: %+v", when, v)
		}
		if !slices.Contains(v.Stages, "new") {
			t.Errorf("%s: the version has the labels %q", when, v.Stages)
		}
		switch {
		case !d.KeepCurrent:
			current, previous = 4, 3
		case d.TakePrevious:
			previous = 4
		}
	}
	if got.Current != current || got.Previous != previous {
		t.Errorf("%s: of %d versions %d is current and %d previous", when, len(got.Versions), got.Current, got.Previous)
	}
	for i, label := range map[int]string{moved: "moves", 1: "stays"} {
		if !slices.Contains(got.Versions[i].Stages, label) {
			t.Errorf("%s: of %d versions number %d has the labels %q and not %s", when, len(got.Versions), i+1, got.Versions[i].Stages, label)
		}
	}
	for i := range got.Versions {
		if i != moved && slices.Contains(got.Versions[i].Stages, "moves") {
			t.Errorf("%s: number %d still has a label that moved", when, i+1)
		}
	}
	now, err := f.open(t, kvtest.NewWire(t)).Get(t.Context(), name, secret.Current)
	if want := got.Find(secret.ByOrdinal(got.Current)); err != nil || now.Current != got.Current || !slices.Equal(now.Versions[0].Stages, want.Stages) {
		t.Errorf("%s: the current version alone is %d with %q: %v", when, now.Current, now.Versions[0].Stages, err)
	}
}

// checkLabelGoesOn moves a label on, and wants it nowhere else.
func (f *fixture) checkLabelGoesOn(t *testing.T, name secret.Name, when string) {
	t.Helper()
	if _, err := f.open(t, kvtest.NewWire(t)).Update(t.Context(), name, secret.ByOrdinal(1), secret.Patch{AddStages: []string{"moves"}}); err != nil {
		t.Fatal(err)
	}
	got := f.mustExport(t, name)
	for i := range got.Versions {
		if slices.Contains(got.Versions[i].Stages, "moves") != (i == 0) {
			t.Errorf("%s: after it was moved to number 1, number %d has the labels %q", when, i+1, got.Versions[i].Stages)
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
	v := f.mustPut(t, name, kvtest.Text("next"))
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
	f.mustPut(t, "s", kvtest.Text("first"))
	var once atomic.Bool
	wire := kvtest.NewWire(t)
	between := kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/data/s") && once.CompareAndSwap(false, true) {
			f.mustPut(t, "s", kvtest.Text("theirs"))
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

// TestImportKeepsNobodyWaiting: while an import stands still, readers of the
// name and of the list go on, and a writer waits no longer than its context.
func TestImportKeepsNobodyWaiting(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "other", kvtest.Text("x"))
	wire, reached, release := kvtest.NewWire(t), make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
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
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // who waits for the import never ends
	defer cancel()
	if _, err := s.Get(ctx, "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get: %v", err)
	}
	if p, err := s.List(ctx, secret.Query{}); err != nil || len(p.Secrets) != 1 {
		t.Errorf("List shows %d secrets, want 1: %v", len(p.Secrets), err)
	}
	brief, cancelBrief := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancelBrief()
	if _, err := s.Put(brief, "s", kvtest.Text("y")); !errors.Is(err, secret.Unavailable) {
		t.Errorf("Put: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("Import: %v", err)
	}
}
