package kv2

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// withDeleted makes a secret "s" of n versions, of which native tools deleted
// the given ones, and destroyed version 1.
func (f *fixture) withDeleted(t *testing.T, n int, deleted ...int) {
	t.Helper()
	for i := range n {
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue(fmt.Sprint("canary-", i+1)), Disabled: i == 2})
	}
	if err := errors.Join(f.kv.DeleteVersions(t.Context(), "s", deleted), f.kv.Destroy(t.Context(), "s", []int{1})); err != nil {
		t.Fatal(err)
	}
}

// wantClosed proves that natively the given versions and no others are deleted,
// and that no mark is left.
func (f *fixture) wantClosed(t *testing.T, deleted ...int) {
	t.Helper()
	m := f.metadataOf(t, "s")
	for _, v := range m.Versions {
		if want := slices.Contains(deleted, v.Version); v.DeletionTime.IsZero() == want && !v.Destroyed {
			t.Errorf("version %d is deleted natively: %v, want %v", v.Version, !want, want)
		}
	}
	if m.CustomMetadata[openedKey] != nil {
		t.Error("the mark is left")
	}
}

// TestExportHidden: what native tools deleted is read, and is as deleted as
// before; everybody else sees it deleted all the while.
func TestExportHidden(t *testing.T) {
	f := newFixture(t)
	f.withDeleted(t, 5, 2, 3, 5)
	other := f.open(t, nil)
	looked := 0
	wire := kvtest.NewWire(t)
	between := kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := wire.RoundTrip(r)
		if strings.Contains(r.URL.Path, "/undelete/") {
			looked++
			for _, sel := range []secret.Selector{secret.Current, secret.ByOrdinal(2), secret.ByOrdinal(3)} {
				if got, err := other.Get(t.Context(), "s", sel); err != nil || got.Versions[0].Missing != secret.Deleted || !got.Versions[0].Value.IsNone() {
					t.Errorf("another gateway sees an open version: %v", err)
				}
			}
			if _, _, err := other.ExportHidden(t.Context(), "s", secret.Deleted); !errors.Is(err, secret.Unavailable) {
				t.Errorf("another gateway reads as well: %v", err)
			}
		}
		return resp, err
	})
	got, opened, err := f.open(t, between).ExportHidden(t.Context(), "s", secret.Deleted)
	if err != nil || !slices.Equal(opened, []secret.Ordinal{2, 3, 5}) || looked != 1 {
		t.Fatalf("opened %d: %v", opened, err)
	}
	for i := range got.Versions {
		v := &got.Versions[i]
		want := "canary-" + v.Ordinal.String()
		if v.Ordinal == 1 {
			want = ""
		}
		if string(v.Value.Reveal()) != want || v.Disabled != (v.Ordinal == 3) || (v.Missing == secret.Destroyed) != (v.Ordinal == 1) {
			t.Errorf("version %d is missing %q", v.Ordinal, v.Missing)
		}
	}
	f.wantClosed(t, 2, 3, 5)
	if l := secret.ExportLosses(f.mustExport(t, "s")); len(l) != 3 {
		t.Errorf("an ordinary export loses %v", l)
	}
	f.mustPut(t, "plain", kvtest.Text("x"))
	ctx, count := backends.WithCallCount(t.Context())
	if _, opened, err = f.ExportHidden(ctx, "plain", secret.Deleted); err != nil || len(opened) != 0 || count() != 2 {
		t.Errorf("with nothing deleted %d requests, opened %d: %v", count(), opened, err)
	}
	if _, _, err := f.ExportHidden(t.Context(), "none", secret.Deleted); !errors.Is(err, secret.NotFound) {
		t.Errorf("of what is not there: %v", err)
	}
}

// TestHiddenOfMany: more ranges than one mark names.
func TestHiddenOfMany(t *testing.T) {
	f := newFixture(t)
	var even []int
	for n := 2; n <= 160; n += 2 {
		even = append(even, n)
	}
	f.withDeleted(t, 161, even...)
	got, opened, err := f.ExportHidden(t.Context(), "s", secret.Deleted)
	if err != nil || len(opened) != len(even) || len(secret.ExportLosses(got)) != 0 {
		t.Fatalf("opened %d: %v", len(opened), err)
	}
	f.wantClosed(t, even...)
}

// TestCrashWhileOpen: the gateway dies at each of its requests. No gateway ever
// shows what is open, and the next change of the secret closes it once it is
// old.
func TestCrashWhileOpen(t *testing.T) {
	for _, late := range []bool{false, true} {
		for at := int64(1); at <= 4; at++ { // the mark, undelete, delete, the mark
			for what, next := range map[string]func(*Store) error{
				"put": func(s *Store) error { _, err := s.Put(t.Context(), "s", kvtest.Text("x")); return err },
				"update": func(s *Store) error {
					_, err := s.Update(t.Context(), "s", secret.ByOrdinal(4), secret.Patch{ContentType: new("x")})
					return err
				},
				"export": func(s *Store) error { _, _, err := s.ExportHidden(t.Context(), "s", secret.Deleted); return err },
			} {
				t.Run(fmt.Sprint(what, at, late), func(t *testing.T) {
					f := newFixture(t)
					f.withDeleted(t, 4, 2, 3)
					cut := &kvtest.Cutter{Next: kvtest.NewWire(t), At: at, Late: late}
					if _, _, err := f.open(t, cut).ExportHidden(t.Context(), "s", secret.Deleted); err == nil {
						t.Fatal("nothing was cut")
					}
					if got := f.mustExport(t, "s"); got.Versions[1].Missing != secret.Deleted || got.Versions[2].Missing != secret.Deleted {
						t.Error("what is open shows")
					}
					later := f.open(t, nil)
					later.Now = func() time.Time { return time.Now().Add(time.Minute) }
					if err := next(later); err != nil {
						t.Fatal(err)
					}
					f.wantClosed(t, 2, 3)
				})
			}
		}
	}
}

// TestForeignMark: what is under the mark is not ours. Nothing is given out.
func TestForeignMark(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "other", kvtest.Text("x"))
	f.mustPut(t, "s", kvtest.Text("canary-x"))
	f.custom(t, "s", map[string]any{openedKey: `{"O":1}`})
	f.wantForeign(t, 1)
	if _, err := f.Put(t.Context(), "s", kvtest.Text("y")); !errors.Is(err, secret.Conflict) || !strings.Contains(connection.Named(err, "x", "s").Error(), openedKey) {
		t.Errorf("Put: %v", err)
	}
}
