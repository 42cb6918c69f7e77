package connection

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// fixedToken tells a token that is denied one thing from one that is dead. A
// nil one stands for a login, which tells by itself.
type fixedToken struct {
	mount string
	now   func() time.Time
	alive atomic.Int64 // when Vault last knew the token, in nanoseconds
	shown atomic.Bool  // Vault has shown it the mount: it is no wrapping token
}

// invalidToken is what newer releases of Vault say of a token that they do not
// know.
const invalidToken = "invalid token"

// judge returns the refusal, with kit.ErrDeadCredential where Vault does not
// know the token any more. It asks no more than every few seconds.
func (t *fixedToken) judge(ctx context.Context, c *client, refusal error) error {
	e, ok := errors.AsType[*secret.Error](refusal)
	switch {
	case t == nil, !ok, refuses(refusal, noRoute), refuses(refusal, noPreflight):
		return refusal
	case refuses(refusal, invalidToken), refuses(refusal, "bad token"):
		return kit.Dead(e)
	case t.now().Sub(time.Unix(0, t.alive.Load())) < soonest:
		return refusal
	}
	// Any token may ask where a mount is. One that has no right in it is told
	// so in other words than one that nobody knows.
	err := c.once(ctx, request{method: http.MethodGet, path: "sys/internal/ui/mounts/" + t.mount}, nil)
	switch {
	case err == nil, refuses(err, noPreflight):
		t.alive.Store(t.now().UnixNano())
	case refuses(err, "permission denied"), refuses(err, invalidToken):
		return kit.Dead(e)
	}
	return refusal
}

// isWrapping reports whether the text is a response-wrapping token. Asking
// does not use it up.
func isWrapping(ctx context.Context, c *api.Client, text string) bool {
	got, err := c.Logical().WriteWithContext(ctx, "sys/wrapping/lookup", map[string]any{"token": text})
	return err == nil && got != nil
}

// ErrWrapping is the cause where a wrapping token stands in the configuration
// for what it wraps.
var ErrWrapping = errors.New("a response-wrapping token proves nobody")

func wrapped(key string, err error) error {
	return kit.Dead(&secret.Error{Kind: secret.Upstream, Detail: wrappedAdvice(key), Err: errors.Join(ErrWrapping, secret.Cause(err))})
}

func wrappedAdvice(key string) string {
	return key + ": this is a response-wrapping token of Vault, which only holds what is wanted: run `vault unwrap`, and give the gateway what comes out"
}
