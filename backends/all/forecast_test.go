package all_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// cheap are the stores that take a document in far less than a second.
func cheap(t *testing.T) map[string]backends.Backend {
	t.Helper()
	b, err := bolt.Open(t.Context(), backends.Env{Store: "s", Keys: gatewaytest.NewKeyring(t), Now: time.Now},
		&bolt.Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	stores := map[string]backends.Backend{"bolt": b, "memory": memory.New(memory.Options{})}
	for as, im := range all.Profiles() {
		stores["as "+as] = memory.New(memory.Options{}).Imitate(im)
	}
	return stores
}

// TestForecastIsWhatHappens: whatever a document holds, a store that takes it
// holds the document less exactly what it foretold, and a second trip, into a
// store that holds everything, brings just that there.
func TestForecastIsWhatHappens(t *testing.T) {
	t.Parallel()
	stores := cheap(t)
	names := []string{}
	for name := range stores {
		names = append(names, name)
	}
	slices.Sort(names)
	home := memory.New(memory.Options{})
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		s := backendtest.Document(t)
		run++
		for _, name := range names {
			if name == "bolt" && run%5 != 0 {
				continue // each of its writes waits for the disk
			}
			b := stores[name]
			differences := backendtest.ForecastDifferences(context.Background(), b, s)
			if len(differences) == 0 {
				differences = secondTrip(b, home, s.Name, secret.Name(fmt.Sprint(name, run)))
			}
			for _, d := range differences {
				t.Errorf("%s: %q: %s", name, s.Name, d)
			}
			remove(t, b, s.Name)
		}
	})
}

func secondTrip(b, home backends.Backend, name, as secret.Name) []string {
	ctx := context.Background()
	there, err := b.Export(ctx, name)
	if err != nil {
		return nil // it was refused
	}
	back := there.Clone()
	back.Name = as
	if _, err := home.Import(ctx, back, ""); err != nil {
		return []string{"back home: " + err.Error()}
	}
	got, err := home.Export(ctx, as)
	if err != nil {
		return []string{"back home: " + err.Error()}
	}
	there.Name = as
	return backendtest.Differences(there, got, nil)
}

// remove frees the name, so that rapid can draw it again.
func remove(t *rapid.T, b backends.Backend, name secret.Name) {
	ctx := context.Background()
	if _, err := b.Delete(ctx, name, time.Time{}); err != nil {
		return // it was refused
	}
	if err := b.Purge(ctx, name); err != nil {
		t.Fatalf("Purge: %v", err)
	}
}
