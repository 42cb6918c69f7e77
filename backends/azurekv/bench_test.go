package azurekv

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkExport reads a secret with 100 versions of 1 KiB through our own
// Azure dialect over memory; bare is the vendor's client reading the same
// values, 16 at a time, with the ids in hand.
func BenchmarkExport(b *testing.B) {
	v := open(b, gatewaytest.New(b, gatewaytest.Options{}))
	s := &secret.Secret{Name: "s", Current: 100}
	for i := range 100 {
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: secret.Ordinal(i + 1), UID: secret.NewUID(), Created: time.Now(), Updated: time.Now(),
			Value: secret.TextValue(strings.Repeat("x", 1020) + fmt.Sprintf("%04d", i)),
		})
	}
	if _, err := v.Import(b.Context(), s, ""); err != nil {
		b.Fatal(err)
	}
	b.Run("backend", func(b *testing.B) {
		for b.Loop() {
			got, err := v.Export(b.Context(), "s")
			if err != nil || len(got.Versions) != 100 {
				b.Fatal(err)
			}
		}
	})
	items, err := v.client.versions(b.Context(), "s", "s", nothing)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			g, ctx := errgroup.WithContext(b.Context())
			g.SetLimit(readers)
			for i := range items {
				g.Go(func() error { _, err := v.client.sdk.GetSecret(ctx, "s", items[i].id, nil); return err })
			}
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkGet reads the current version of a secret.
func BenchmarkGet(b *testing.B) {
	v := open(b, gatewaytest.New(b, gatewaytest.Options{}))
	if _, err := v.Put(b.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := v.Get(b.Context(), "s", secret.Current); err != nil {
			b.Fatal(err)
		}
	}
}
