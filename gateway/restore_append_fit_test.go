package gateway_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestAppendForeseesSharedTags: tags of the secret that Key Vault holds in place
// of the newest version's own stand in the way of a version that has its own,
// though the current version has some already.
func TestAppendForeseesSharedTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.b.Backend = memory.New(memory.Options{}).Imitate(azurekv.Profile())
	fill(t, w, 3, func(i int, d *secret.Draft) {
		if i == 2 {
			d.Tags = map[string]string{"own": "1"}
		}
	})
	refB := gateway.Ref{Store: "b", Name: refA.Name}
	d := draft("stands")
	d.Tags = map[string]string{"own": "1"}
	if _, err := w.Put(t.Context(), call, refB, d); err != nil {
		t.Fatal(err)
	}
	d = draft("newest")
	d.OfSecret, d.KeepCurrent = &secret.Attributes{Tags: map[string]string{strings.Repeat("k", 200): "v"}}, true
	if _, err := w.Put(t.Context(), call, refB, d); err != nil {
		t.Fatal(err)
	}
	restore := func(onLoss gateway.OnLoss) (*gateway.Outcome, error) {
		return w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{OnConflict: gateway.ConflictAppend, OnLoss: onLoss})
	}
	if _, err := restore(gateway.LossFail); !errors.Is(err, secret.Lossy) || !strings.Contains(secret.DetailOf(err), "version 2 is not kept: ") {
		t.Errorf("a loss is not refused: %v", err)
	}
	out, err := restore(gateway.LossAccept)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(gone(out.Losses), []secret.Ordinal{2}) || out.Added != 2 || len(out.Secret.Tags) != 1 {
		t.Errorf("lost are %d, added %d, and %d tags of the secret stand", gone(out.Losses), out.Added, len(out.Secret.Tags))
	}
}

// TestAppendForeseesWhatStands: a version that would fit alone, and not beside
// what the product has to keep with the secret's newest version, is foretold to
// be lost: nothing is half appended.
func TestAppendForeseesWhatStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.b.Backend = memory.New(memory.Options{}).Imitate(azurekv.Profile())
	fill(t, w, 5, func(i int, d *secret.Draft) {
		if i%2 == 0 {
			d.Extra = secret.Extra{"test.e": json.RawMessage(`"` + strings.Repeat("e", 130) + `"`)}
		}
	})
	d := draft("stands")
	d.OfSecret = &secret.Attributes{Description: strings.Repeat("d", 30)}
	refB := gateway.Ref{Store: "b", Name: refA.Name}
	if _, err := w.Put(t.Context(), call, refB, d); err != nil {
		t.Fatal(err)
	}
	blob := backupOf(t, w, refA)
	restore := func(onLoss gateway.OnLoss) (*gateway.Outcome, error) {
		return w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{OnConflict: gateway.ConflictAppend, OnLoss: onLoss})
	}
	_, err := restore(gateway.LossFail)
	if !errors.Is(err, secret.Lossy) || !strings.Contains(secret.DetailOf(err), "version 2 is not kept: ") {
		t.Errorf("a loss is not refused: %v", err)
	}
	out, err := restore(gateway.LossAccept)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(gone(out.Losses), []secret.Ordinal{2, 4}) || out.Added != 3 {
		t.Errorf("lost are %d, added %d", gone(out.Losses), out.Added)
	}
	stands, err := w.b.Backend.Export(t.Context(), refB.Name)
	if err != nil || len(stands.Versions) != 4 || stands.Description != d.OfSecret.Description {
		t.Fatalf("%d versions stand: %v", len(stands.Versions), err)
	}
	for i, want := range []string{"stands", "hush1", "hush3", "hush5"} {
		if got := string(stands.Versions[i].Value.Reveal()); got != want {
			t.Errorf("version %d is another one", i+1)
		}
	}
}
