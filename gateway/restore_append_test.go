package gateway_test

import (
	"errors"
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
