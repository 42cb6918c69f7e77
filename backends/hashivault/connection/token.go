package connection

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"
)

// retryLookUp is how long a renewal waits for a server that is down.
const retryLookUp = 10 * time.Second

// KeepToken renews a fixed token in the background for as long as Vault lets
// it, beginning when Vault first answers. A token that may not look at itself,
// or has no end, is used as it is; nothing waits for any of this.
func (f *Folder) KeepToken() {
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	go func() {
		defer cancel()
		if got := f.lookUp(ctx); got != nil {
			f.renewToken(ctx, got)
		}
	}()
}

// lookUp returns what Vault knows of the token, or nil: it will not say.
func (f *Folder) lookUp(ctx context.Context) *api.Secret {
	tick := time.NewTicker(retryLookUp)
	defer tick.Stop()
	for {
		if !f.client.token.shown.Load() && isWrapping(ctx, f.client.api, f.client.api.Token()) { // whose only use must not be this one
			f.Warn(ctx, wrappedAdvice("token"))
			return nil
		}
		got, err := f.client.api.Auth().Token().LookupSelfWithContext(ctx)
		resp, answered := errors.AsType[*api.ResponseError](err)
		if err == nil || answered && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
			return got
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (f *Folder) renewToken(ctx context.Context, got *api.Secret) {
	ttl, err := got.TokenTTL()
	renewable, err2 := got.TokenIsRenewable()
	if err != nil || err2 != nil || ttl == 0 {
		return
	}
	life := &f.client.life
	life.lasts(int(ttl/time.Second), renewable)
	if !renewable {
		return
	}
	token := &api.SecretAuth{ClientToken: f.client.api.Token(), Renewable: true, LeaseDuration: int(ttl / time.Second)}
	renew(ctx, f.client.api, &api.Secret{Auth: token}, func(r *api.Secret) {
		life.lasts(leaseOf(r), life.renewsOn(got, leaseOf(r)))
	}, func() {
		f.Warn(ctx, "the store's token at Vault is about to end and cannot be renewed any further")
	})
}

// leaseOf is how long the renewed token lasts, in seconds.
func leaseOf(r *api.Secret) int {
	if r == nil || r.Auth == nil {
		return 0
	}
	return r.Auth.LeaseDuration
}

// renew keeps a token until it can be renewed no further. The watcher ends with
// a nil error about a second before the token does, so its end means that,
// whatever it says.
func renew(ctx context.Context, c *api.Client, token *api.Secret, renewed func(*api.Secret), ended func()) {
	w, err := c.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: token})
	if err != nil {
		return
	}
	go w.Start()
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-w.RenewCh():
			if ctx.Err() == nil {
				renewed(r.Secret)
			}
		case <-w.DoneCh():
			if ctx.Err() == nil { // else a newer login, whose token is valid, has stopped this
				ended()
			}
			return
		}
	}
}
