package loss

import (
	"context"
	"sync"

	"github.com/vaultferry/vaultferry/secret"
)

type foretoldKey struct{}

type foretold struct {
	mu     sync.Mutex
	losses []secret.Loss
}

// WithForetold returns a context in which a backend may tell of losses that the
// secret it returns does not show, and the function that reads them.
func WithForetold(ctx context.Context) (context.Context, func() []secret.Loss) {
	f := new(foretold)
	return context.WithValue(ctx, foretoldKey{}, f), func() []secret.Loss {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.losses
	}
}

// Foretell tells of losses of what an Export is about to return, or would after
// the Describe that tells of them. They are
// traces: nobody is asked about them.
func Foretell(ctx context.Context, losses ...secret.Loss) {
	if f, ok := ctx.Value(foretoldKey{}).(*foretold); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.losses = append(f.losses, losses...)
	}
}
