package backendtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// ForecastDifferences imports s, whose name is free, and returns where what
// happened is not what was foretold; nothing where the store refused s
// (Invalid, Lossy) and nothing of it is there. It prints no value.
func ForecastDifferences(ctx context.Context, b backends.Backend, s *secret.Secret) []string {
	losses := b.Forecast(s)
	if again := b.Forecast(s); !slices.Equal(losses, again) {
		return []string{"two forecasts of one secret differ"}
	}
	done, err := b.Import(ctx, s, "token")
	if err != nil {
		return refused(ctx, b, s, losses, err)
	}
	want := loss.Apply(s, losses)
	var out []string
	if w := ordinals(want); !slices.Equal(done.Stands, w) {
		out = append(out, fmt.Sprintf("what stands is %d, foretold was %d", done.Stands, w))
	}
	got, err := b.Export(ctx, s.Name)
	if err != nil {
		return append(out, "Export: "+err.Error())
	}
	return append(out, Differences(s, got, losses)...)
}

// refused: a store refuses a secret of which it can hold no version, or whose
// name or identities it has no room for, and then leaves nothing behind.
func refused(ctx context.Context, b backends.Backend, s *secret.Secret, losses []secret.Loss, err error) []string {
	if !errors.Is(err, secret.Invalid) && !errors.Is(err, secret.Lossy) {
		return []string{"Import: " + err.Error()}
	}
	if _, err := b.Describe(ctx, s.Name); err == nil {
		return []string{"what was refused is there"}
	}
	if len(loss.Apply(s, losses).Versions) > 0 && secret.DetailOf(err) == "" {
		return []string{"refused without a reason: " + err.Error()}
	}
	return nil
}
