package loss

import (
	"context"
	"fmt"
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

// OfLongValues foretells for a product that holds everything but values of more
// than most bytes.
func OfLongValues(in *secret.Secret, most int) []secret.Loss {
	var out []secret.Loss
	for i := range in.Versions {
		if v := &in.Versions[i]; v.Value.Len() > most {
			out = append(out, secret.Loss{
				Grade: secret.Data, Version: v.Ordinal, What: Value, Why: fmt.Sprintf("it is longer than %d bytes", most),
			})
		}
	}
	return out
}
