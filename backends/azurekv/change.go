package azurekv

import (
	"context"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// changing runs change as the only writer of the name in this process.
func changing[T any](ctx context.Context, b *Backend, name secret.Name, change func(wire string) (T, error)) (none T, err error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return none, err
	}
	release, err := b.locks.Lock(ctx, name)
	if err != nil {
		return none, err
	}
	defer release()
	return change(wire)
}

// toChange is load for who is going to write: it disables first what a gateway
// left opened. It returns an empty secret where the name is free.
func (b *Backend) toChange(ctx context.Context, name secret.Name, wire string) (*stored, error) {
	h, err := b.load(ctx, name, wire, nothing)
	if err == nil && h.hasOpened() {
		h, err = b.disableOpened(ctx, name, wire)
	}
	if kit.Is(err, secret.NotFound) {
		return &stored{Secret: secret.Secret{Name: name}}, nil
	}
	return h, err
}
