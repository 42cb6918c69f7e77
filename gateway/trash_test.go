package gateway_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// rival is a store in whose trash another gateway works as well: act runs
// ahead of each look at one name.
type rival struct {
	*memory.Store
	act func(context.Context, secret.Name)
}

func (r *rival) DescribeTrash(ctx context.Context, n secret.Name) (*secret.Secret, error) {
	if r.act != nil {
		r.act(ctx, n)
	}
	return r.Store.DescribeTrash(ctx, n)
}

var _ backends.Backend = (*rival)(nil)

// sweeping is a service whose store a holds deleted secrets of which the time
// is over.
func sweeping(t *testing.T, rules []access.Rule, names ...secret.Name) (*world, *rival) {
	t.Helper()
	r := &rival{Store: memory.New(memory.Options{})}
	w := newWorld(t, func(o *gateway.Options) { o.Stores[0].Backend = r }, rules...)
	for _, n := range names {
		put(t, w, gateway.Ref{Store: "a", Name: n}, "hush")
		if _, err := r.Delete(t.Context(), n, time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	return w, r
}

func TestSweepTellsWhatItPurged(t *testing.T) {
	t.Parallel()
	w, r := sweeping(t, nil, "gone", "kept", "over")
	r.act = func(ctx context.Context, n secret.Name) {
		var err error
		switch n {
		case "gone": // purged by another
			err = r.Purge(ctx, n)
		case "kept": // brought back by another, and deleted anew
			if _, err = r.Recover(ctx, n); err == nil {
				_, err = r.Delete(ctx, n, time.Now().Add(time.Hour))
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
	swept, err := w.Sweep(t.Context(), call, "a", false)
	if err != nil || !slices.Equal(swept.Names, []secret.Name{"over"}) {
		t.Errorf("swept %v, %v", swept, err)
	}
	if _, err := r.Store.DescribeTrash(t.Context(), "kept"); err != nil {
		t.Errorf("what was deleted anew is gone: %v", err)
	}
}

func TestSweepStaysWithinThePolicy(t *testing.T) {
	t.Parallel()
	rule := access.Rule{Callers: []string{"few"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"mine*"}}
	w, _ := sweeping(t, []access.Rule{everything, rule}, "mine", "theirs")
	few := call
	few.Caller.ID = "few"
	for _, dryRun := range []bool{true, false} {
		if swept, err := w.Sweep(t.Context(), few, "a", dryRun); err != nil || !slices.Equal(swept.Names, []secret.Name{"mine"}) {
			t.Errorf("dry run %v: %v, %v", dryRun, swept.Names, err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	before := len(w.lines(t))
	if _, err := w.Sweep(gone, call, "a", false); err == nil {
		t.Error("a sweep whose caller has left succeeds")
	}
	if n := len(w.lines(t)) - before; n != 1 {
		t.Errorf("%d audit lines of a sweep that never began", n)
	}
}
