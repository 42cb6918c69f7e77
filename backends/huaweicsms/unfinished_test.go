package huaweicsms

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestUnfinishedEndsAsItIsSaid: the same import finishes what a list calls
// unfinished, and a deletion removes it.
func TestUnfinishedEndsAsItIsSaid(t *testing.T) {
	t.Parallel()
	for what, end := range map[string]func(*Backend) error{
		"the same import": func(b *Backend) error {
			_, err := b.Import(t.Context(), backendtest.Sample("spoilt-half"), "t")
			return err
		},
		"a deletion": func(b *Backend) error {
			_, err := b.Delete(t.Context(), "spoilt-half", time.Time{})
			return err
		},
	} {
		g := gatewaytest.New(t, gatewaytest.Options{})
		b := open(t, g)
		spoil(t, g)
		if p, err := b.List(t.Context(), secret.Query{}); err != nil || len(p.LeftOut) != 1 {
			t.Fatalf("left out is %q: %v", p.LeftOut, err)
		}
		if err := end(b); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if p, err := b.List(t.Context(), secret.Query{}); err != nil || len(p.LeftOut) != 0 {
			t.Errorf("after %s left out is %q: %v", what, p.LeftOut, err)
		}
	}
}
