package hashivault

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"
)

// keepToken renews a fixed token in the background for as long as Vault lets
// it, beginning when Vault first answers. A token that may not look at itself,
// or has no end, is used as it is; nothing waits for any of this.
func (k *core) keepToken(again time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		if got := k.lookUp(ctx, again); got != nil {
			k.renewToken(ctx, got)
		}
	}()
	return cancel
}

// lookUp returns what Vault knows of the token, or nil: it will not say.
func (k *core) lookUp(ctx context.Context, again time.Duration) *api.Secret {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		got, err := k.client.api.Auth().Token().LookupSelfWithContext(ctx)
		var resp *api.ResponseError
		if err == nil || errors.As(err, &resp) && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
			return got
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (k *core) renewToken(ctx context.Context, got *api.Secret) {
	ttl, err := got.TokenTTL()
	renewable, err2 := got.TokenIsRenewable()
	if err != nil || err2 != nil || ttl == 0 || !renewable {
		return
	}
	w, err := k.client.api.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: &api.Secret{
		Auth: &api.SecretAuth{ClientToken: k.client.api.Token(), Renewable: true, LeaseDuration: int(ttl / time.Second)},
	}})
	if err != nil {
		return
	}
	go w.Start()
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.RenewCh():
		case <-w.DoneCh():
			if k.log != nil {
				k.log.WarnContext(ctx, "the store's token at Vault is about to end and cannot be renewed any further", "store", k.store)
			}
			return
		}
	}
}
