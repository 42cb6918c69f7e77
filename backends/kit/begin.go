package kit

import (
	"context"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Begin counts one call of a store in this process, and refuses (Unavailable)
// one whose caller has gone.
func Begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &secret.Error{Kind: secret.Unavailable, Err: err}
	}
	backends.CountCall(ctx)
	return nil
}
