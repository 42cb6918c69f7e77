package backends

import (
	"context"
	"sync/atomic"
)

type meterKey struct{}

// WithCallCount returns a context whose calls to products are counted, and the
// function that reads the count.
func WithCallCount(ctx context.Context) (context.Context, func() int64) {
	n := new(atomic.Int64)
	return context.WithValue(ctx, meterKey{}, n), n.Load
}

// CountCall counts one call to a product: one HTTP request, or one transaction of
// an embedded store.
func CountCall(ctx context.Context) {
	if n, ok := ctx.Value(meterKey{}).(*atomic.Int64); ok {
		n.Add(1)
	}
}
