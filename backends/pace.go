package backends

import (
	"context"
	"time"
)

// Pace decides when the next call to a product may start, and learns which ones
// the product refused for now. It is safe for concurrent use.
type Pace interface {
	// Wait returns when the call may start, or ctx has ended.
	Wait(ctx context.Context)
	// Refused tells that a call was refused for now. after is when the product
	// wants to be asked again; zero: it did not say.
	Refused(after time.Duration)
}

type paceKey struct{}

// WithPace returns a context whose calls to products keep to the pace.
func WithPace(ctx context.Context, p Pace) context.Context {
	return context.WithValue(ctx, paceKey{}, p)
}

// Refused tells the pace of ctx, if there is one.
func Refused(ctx context.Context, after time.Duration) {
	if p, ok := ctx.Value(paceKey{}).(Pace); ok {
		p.Refused(after)
	}
}
