package backends

import (
	"context"
	"sync/atomic"
)

// counted is a context with a count. It finds itself by countKey.
type counted struct {
	context.Context
	n       atomic.Int64
	answers [answerKinds]atomic.Int32
	around  *counted // counts as well; nil: none
}

type countKey struct{}

func (c *counted) Value(key any) any {
	if key == (countKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// WithCallCount returns a context whose calls to products are counted, and the
// function that reads the count. A count within a count counts in both.
func WithCallCount(ctx context.Context) (context.Context, func() int64) {
	c := &counted{Context: ctx}
	c.around, _ = ctx.Value(countKey{}).(*counted)
	return c, c.n.Load
}

// CountCall counts one call to a product that is about to start: one HTTP
// request, or one transaction of an embedded store. It waits where the context
// has a Pace.
func CountCall(ctx context.Context) {
	if p, ok := ctx.Value(paceKey{}).(Pace); ok {
		p.Wait(ctx)
	}
	for c, _ := ctx.Value(countKey{}).(*counted); c != nil; c = c.around {
		c.n.Add(1)
	}
}
