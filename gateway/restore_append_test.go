package gateway_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

func TestAppendWantsTheSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	d := secret.Draft{Value: secret.TextValue("hush")}
	if _, err := w.Append(t.Context(), call, refA, d, nil); !errors.Is(err, secret.NotFound) {
		t.Fatalf("got %v, want NotFound", err)
	}
	put(t, w, refA, "hush1")
	stop := secret.Errorf(secret.Invalid, "no room")
	seen := 0
	check := func(s *secret.Secret, _ *secret.Draft) error {
		seen += len(s.Versions)
		return stop
	}
	if _, err := w.Append(t.Context(), call, refA, d, check); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("got %v after a check that saw %d versions", err, seen)
	}
	made, err := w.Append(t.Context(), call, refA, d, nil)
	if err != nil || made.Newest().Ordinal != 2 || made.Current != 2 {
		t.Errorf("append: %v", err)
	}
	if e := w.last(t); e.Action != "set" || e.Result != "ok" || len(e.Versions) != 1 {
		t.Errorf("audit: %+v", e)
	}
}

func TestRestoreAsksAboutTheName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush")
	blob := backupOf(t, w, refA)
	unspeakable := secret.Errorf(secret.Invalid, "unspeakable")
	for as, want := range map[secret.Name]error{"": unspeakable, "other": nil} {
		_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{As: as, CheckName: func(n secret.Name) error {
			if n == refA.Name {
				return unspeakable
			}
			return nil
		}})
		if !errors.Is(err, want) {
			t.Errorf("as %q: got %v, want %v", as, err, want)
		}
	}
	if _, err := w.b.Backend.Describe(t.Context(), refA.Name); !errors.Is(err, secret.NotFound) {
		t.Errorf("a refused name was written: %v", err)
	}
}

// TestAppendOfSome: an append that is told which versions it may add adds no others.
func TestAppendOfSome(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		only []secret.Ordinal
		want []string
	}{
		"all":  {nil, []string{"hush1", "hush2", "hush3"}},
		"one":  {[]secret.Ordinal{1, 3}, []string{"hush1", "hush3"}},
		"none": {[]secret.Ordinal{}, []string{"hush1"}},
	} {
		w := newWorld(t, nil)
		put(t, w, refA, "hush1")
		if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		put(t, w, refA, "hush2", "hush3")
		o := gateway.RestoreOptions{OnConflict: gateway.ConflictAppend, Append: c.only}
		if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), o); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		stands, err := w.b.Backend.Export(t.Context(), refB.Name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range stands.Versions {
			got = append(got, string(v.Value.Reveal()))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %d versions stand, want %d", what, len(got), len(c.want))
		}
	}
}
