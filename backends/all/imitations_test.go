package all_test

import (
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
)

// TestImitations: a store that holds no more than a product is a backend like
// any other.
func TestImitations(t *testing.T) {
	t.Parallel()
	for as, im := range all.Profiles() {
		t.Run(as, func(t *testing.T) {
			t.Parallel()
			h := backendtest.Harness{Open: func(*testing.T) backends.Backend { return memory.New(memory.Options{}).Imitate(im) }}
			if im.Capabilities.MaxVersions > 0 {
				h.Writers = im.Capabilities.MaxVersions
			}
			backendtest.Run(t, h)
		})
	}
}

// TestEveryKindIsImitated: whatever a store is, what it would answer can be tried.
func TestEveryKindIsImitated(t *testing.T) {
	t.Parallel()
	for _, kind := range all.Registry().Kinds() {
		if !slices.Contains(all.Imitations(), kind) {
			t.Errorf("%s is no word of Imitations", kind)
		}
	}
	for _, word := range all.Imitations() {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			b, err := all.Imitation(word, nil)
			if err != nil {
				t.Fatal(err)
			}
			s := backendtest.Sample("s")
			if _, err := b.Import(t.Context(), s, ""); err != nil {
				t.Fatal(err)
			}
			got, err := b.Export(t.Context(), "s")
			if err != nil {
				t.Fatal(err)
			}
			backendtest.Compare(t, s, got, b.Forecast(s))
		})
	}
}
