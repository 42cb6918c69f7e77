package backends

import (
	"context"
	"sync/atomic"
)

// counted is a context with a count. It finds itself by countKey.
type counted struct {
	context.Context
	n atomic.Int64
}

type countKey struct{}

func (c *counted) Value(key any) any {
	if key == (countKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// WithCallCount returns a context whose calls to products are counted, and the
// function that reads the count.
func WithCallCount(ctx context.Context) (context.Context, func() int64) {
	c := &counted{Context: ctx}
	return c, c.n.Load
}

// CountCall counts one call to a product: one HTTP request, or one transaction of
// an embedded store.
func CountCall(ctx context.Context) {
	if c, ok := ctx.Value(countKey{}).(*counted); ok {
		c.n.Add(1)
	}
}
