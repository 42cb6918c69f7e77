package memory_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/secret"
)

func puts(t *testing.T, b backends.Backend, n int, edit func(int, *secret.Draft)) {
	t.Helper()
	for i := 1; i <= n; i++ {
		d := secret.Draft{Value: secret.TextValue(fmt.Sprint("x", i))}
		edit(i, &d)
		if _, err := b.Put(t.Context(), "s", d); err != nil {
			t.Fatalf("Put %d: %v", i, err)
		}
	}
}

// TestRecycles: the version over the limit takes the place of the oldest that
// nothing names, as in the product.
func TestRecycles(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{}).Imitate(huaweicsms.Profile())
	puts(t, b, 22, func(i int, d *secret.Draft) {
		if i == 1 {
			d.Stages = []string{"kept"}
		}
	})
	got, err := b.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Versions) != 20 || got.Versions[0].Ordinal != 1 || got.Versions[1].Ordinal != 4 || got.Current != 22 || got.Previous != 21 {
		t.Errorf("%d versions stand, the oldest are %d and %d", len(got.Versions), got.Versions[0].Ordinal, got.Versions[1].Ordinal)
	}
}

// TestRefusesWhatTheProductRefuses: nothing changes where a write would lose
// something.
func TestRefusesWhatTheProductRefuses(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{}).Imitate(huaweicsms.Profile())
	puts(t, b, 1, func(int, *secret.Draft) {})
	before, err := b.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	for want, d := range map[secret.Kind]secret.Draft{
		secret.TooLarge:    {Value: secret.BinaryValue(make([]byte, 24577))},
		secret.Invalid:     {Value: secret.TextValue("x"), Stages: []string{"no such stage"}},
		secret.Unsupported: {Missing: secret.Destroyed},
	} {
		if _, err := b.Put(t.Context(), "s", d); !errors.Is(err, want) || secret.DetailOf(err) == "" {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if _, err := b.Update(t.Context(), "s", secret.Current, secret.Patch{AddStages: []string{"no such stage"}}); !errors.Is(err, secret.Lossy) {
		t.Errorf("Update: %v", err)
	}
	after, err := b.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, before, after, nil)
}

// TestHidesDisabled: what the product does not show is not shown here, and
// comes back with the state.
func TestHidesDisabled(t *testing.T) {
	t.Parallel()
	im := huaweicsms.Profile()
	im.Capabilities.HidesDisabled = true
	b := memory.New(memory.Options{}).Imitate(im)
	puts(t, b, 1, func(_ int, d *secret.Draft) { d.Disabled = true })
	got, err := b.Get(t.Context(), "s", secret.Current)
	if err != nil || !got.Versions[0].Value.IsNone() || got.Versions[0].Missing != secret.Unreadable {
		t.Errorf("a disabled version shows its value, or does not say why not: %v", err)
	}
	if _, err := b.Update(t.Context(), "s", secret.Current, secret.Patch{Disabled: new(bool)}); err != nil {
		t.Fatal(err)
	}
	if got, err = b.Get(t.Context(), "s", secret.Current); err != nil || string(got.Versions[0].Value.Reveal()) != "x1" {
		t.Errorf("enabled again: %v", err)
	}
}

// TestNumbersOfWhatWasLostStayUnused: the version after an import comes after
// all that the document had.
func TestNumbersOfWhatWasLostStayUnused(t *testing.T) {
	t.Parallel()
	b := memory.New(memory.Options{}).Imitate(huaweicsms.Profile())
	s := backendtest.Sample("s")
	last := s.Newest()
	last.Value, last.Missing, last.Stages = secret.Value{}, secret.Destroyed, nil
	if _, err := b.Import(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	got, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
	if err != nil || got.Newest().Ordinal <= last.Ordinal {
		t.Errorf("the next version is not after %d: %v", last.Ordinal, err)
	}
}
