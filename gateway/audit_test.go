package gateway_test

import (
	"context"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestLinesOutliveTheMachine: the intent of a write is on stable storage before the
// product is asked, and its outcome before the caller is answered.
func TestLinesOutliveTheMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1")
	blob := backupOf(t, w, refA)
	w.disk.loose.Store(false)
	var asked []string
	look := func(_ context.Context, m string) error {
		switch m {
		case "Put", "Update", "Delete", "Recover", "Purge", "Import":
			if asked = append(asked, m); w.disk.loose.Load() {
				t.Errorf("%s: the intent is not on stable storage", m)
			}
		}
		return nil
	}
	w.a.Before, w.b.Before = look, look
	for _, do := range []func() error{
		func() error { _, err := w.Put(t.Context(), call, refA, draft("hush2")); return err },
		func() error { _, err := w.Append(t.Context(), call, refA, draft("hush3"), nil); return err },
		func() error {
			_, err := w.Update(t.Context(), call, refA, secret.Current, secret.Patch{ContentType: new("x")})
			return err
		},
		func() error { _, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{}); return err },
		func() error { _, err := w.Delete(t.Context(), call, refA); return err },
		func() error { _, err := w.Recover(t.Context(), call, refA); return err },
		func() error { _, err := w.Delete(t.Context(), call, refA); return err },
		func() error { return w.Purge(t.Context(), call, refA) },
		func() error { return w.Destroy(t.Context(), call, refB) },
	} {
		if err := do(); err != nil || w.disk.loose.Load() {
			t.Errorf("after %s: the outcome is not on stable storage, or %v", asked[len(asked)-1], err)
		}
	}
	if want := []string{"Put", "Put", "Update", "Import", "Delete", "Recover", "Delete", "Purge", "Delete", "Purge"}; !slices.Equal(asked, want) {
		t.Errorf("the products were asked for %q", asked)
	}
}
