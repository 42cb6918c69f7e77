package kit

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/secret"
)

// Reader reads by key, several at once, while the keys are still being listed.
type Reader[K comparable, V any] struct {
	read  func(context.Context, K) (V, error)
	slots chan struct{}
	group sync.WaitGroup
	ctx   context.Context // of the one export or list that the reader lives for
	stop  context.CancelFunc
	found map[K]*found[V] // good once the group is done
}

type found[V any] struct {
	value V
	err   error
}

// NewReader returns a reader that reads at most n at once. The first error but
// NotFound ends all other reads. Wait must be called.
func NewReader[K comparable, V any](ctx context.Context, n int, read func(context.Context, K) (V, error)) *Reader[K, V] {
	r := &Reader[K, V]{read: read, slots: make(chan struct{}, n), found: map[K]*found[V]{}}
	r.ctx, r.stop = context.WithCancel(ctx) //nolint:gosec // Wait calls it
	return r
}

// Start begins with what is not begun yet, and does not wait for it.
func (r *Reader[K, V]) Start(keys ...K) {
	for _, k := range keys {
		if r.found[k] != nil {
			continue
		}
		f := new(found[V])
		r.found[k] = f
		r.group.Go(func() {
			r.slots <- struct{}{}
			defer func() { <-r.slots }()
			if f.value, f.err = r.read(r.ctx, k); f.err != nil && !Is(f.err, secret.NotFound) {
				r.stop()
			}
		})
	}
}

// Stop ends what is under way.
func (r *Reader[K, V]) Stop() { r.stop() }

// Wait returns when nothing is under way any more, with the error that ended
// all else, or nil.
func (r *Reader[K, V]) Wait() error {
	r.group.Wait()
	defer r.stop()
	var first error
	for _, f := range r.found {
		switch {
		case f.err == nil, Is(f.err, secret.NotFound):
		case first == nil, Is(first, secret.Unavailable): // one that ended the others tells more than theirs
			first = f.err
		}
	}
	return first
}

// End is Stop and Wait, for a caller who leaves early. It may follow a Wait.
func (r *Reader[K, V]) End() {
	r.stop()
	_ = r.Wait()
}

// Get returns what was read by the key. Only after Wait, and only for a key
// that was started.
func (r *Reader[K, V]) Get(k K) (V, error) {
	f := r.found[k]
	return f.value, f.err
}

// Gather calls get for each of in, at most n at once, and returns what it made
// in their order, less the nils.
func Gather[A, B any](ctx context.Context, n int, in []A, get func(context.Context, *A) (*B, error)) ([]*B, error) {
	out := make([]*B, len(in))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(n)
	for i := range in {
		g.Go(func() (err error) {
			out[i], err = get(ctx, &in[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(b *B) bool { return b == nil }), nil
}
