package connection

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sync/semaphore"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// soonest is how long a login stands before a refusal makes another one, and
// how long a refused login is not tried again: a policy that denies must not
// become a storm of logins, and some methods lock a role out that fails often.
const soonest = 5 * time.Second

// Login is a way to log in: what is sent to a method of Vault's, mounted at
// auth/<Mount>. Body is asked anew for each login.
type Login struct {
	Key   string // of the store's section
	Mount string
	Body  func() (map[string]any, error)
}

// submit logs in. Whatever Vault holds against the request is about the
// gateway's own credentials, and no caller's fault.
func (m *Login) submit(ctx context.Context, c *api.Client) (*api.Secret, error) {
	body, err := m.Body()
	if err != nil {
		return nil, err
	}
	got, err := c.Logical().WriteWithContext(ctx, "auth/"+m.Mount+"/login", body)
	if err != nil {
		err = m.classify(err)
		for _, key := range []string{"secret_id", "jwt"} {
			if text, ok := body[key].(string); ok && errors.Is(err, kit.ErrDeadCredential) && isWrapping(ctx, c, text) {
				return nil, wrapped(key, err)
			}
		}
		return nil, err
	}
	if got == nil || got.Auth == nil || got.Auth.ClientToken == "" { // it wants a second factor, perhaps
		return nil, &secret.Error{Kind: secret.Upstream, Detail: "Vault answers the gateway's login without a token"}
	}
	return got, nil
}

func (m *Login) classify(err error) error {
	if resp, ok := errors.AsType[*api.ResponseError](err); ok {
		switch code := resp.StatusCode; code {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
			if statusKind(resp, false) == secret.Unavailable {
				break
			}
			return kit.Dead(&secret.Error{Kind: secret.Upstream, Detail: "Vault refused the gateway's login at auth/" + m.Mount, Err: resp})
		}
	}
	return classify(err, false)
}

// login keeps a token by its method: it logs in when one is needed, renews in
// the background, and logs in again when the token can be renewed no further.
// A nil login stands for a fixed token.
type login struct {
	api    *api.Client
	method *Login
	one    *semaphore.Weighted // who logs in; a lock that honours ctx
	now    func() time.Time
	life   *tokenLife

	valid   atomic.Bool
	count   atomic.Int64 // of logins: tells which one's token was refused
	since   atomic.Int64 // of the last login, in nanoseconds
	stop    func()       // under one: ends the renewal of the last token
	refused error        // under one: what the last login was answered, if it was refused
	until   time.Time    // under one: the refusal is not tried again before
	closed  bool         // under one
}

func newLogin(c *api.Client, m *Login, life *tokenLife) *login {
	if m == nil {
		return nil
	}
	return &login{api: c, method: m, one: semaphore.NewWeighted(1), stop: func() {}, now: life.now, life: life}
}

// ensure makes sure that the client holds a token.
func (l *login) ensure(ctx context.Context) error {
	if l == nil || l.valid.Load() {
		return nil
	}
	if err := l.one.Acquire(ctx, 1); err != nil {
		return unavailable(err)
	}
	defer l.one.Release(1)
	if l.valid.Load() { // another has been here
		return nil
	}
	if l.closed {
		return &secret.Error{Kind: secret.Unavailable, Detail: "the store is closed"}
	}
	if l.refused != nil && l.now().Before(l.until) {
		return l.refused
	}
	err := l.enter(ctx)
	if l.refused = nil; errors.Is(err, secret.Upstream) {
		l.refused, l.until = err, l.now().Add(soonest)
	}
	return err
}

// number is that of the login whose token a request is about to use.
func (l *login) number() int64 {
	if l == nil {
		return 0
	}
	return l.count.Load()
}

// again reports whether a request that was refused is worth a second try: the
// token of its login is invalid, or old enough that it may be. Of many that
// are refused together one logs in. refused says that this was refused, too.
func (l *login) again(ctx context.Context, number int64, refusal error) (retry bool, refused error) {
	if l == nil {
		return false, nil
	}
	if _, answered := errors.AsType[*api.ResponseError](refusal); !answered || refuses(refusal, noRoute) {
		return false, nil
	}
	if age := l.now().Sub(time.Unix(0, l.since.Load())); !refuses(refusal, invalidToken) && age < soonest {
		return false, nil
	}
	if l.one.Acquire(ctx, 1) != nil {
		return false, nil
	}
	if l.count.Load() == number {
		l.valid.Store(false)
	}
	l.one.Release(1)
	err := l.ensure(ctx)
	if errors.Is(err, kit.ErrDeadCredential) {
		return false, err
	}
	return err == nil, nil
}

func (l *login) enter(ctx context.Context) error {
	got, err := l.method.submit(ctx, l.api)
	if err != nil {
		return err
	}
	l.api.SetToken(got.Auth.ClientToken)
	l.count.Add(1)
	l.since.Store(l.now().UnixNano())
	l.stop()
	l.life.lasts(got.Auth.LeaseDuration, true)
	background, stop := context.WithCancel(context.Background())
	if l.stop = stop; got.Auth.LeaseDuration != 0 { // else the token has no end
		go renew(background, l.api, got, func(r *api.Secret) { l.life.lasts(leaseOf(r), true) }, func() { l.valid.Store(false) }) // the next request logs in
	}
	l.valid.Store(true)
	return nil
}

// close ends the renewal, and there is no login after it.
func (l *login) close() {
	if l == nil || l.one.Acquire(context.Background(), 1) != nil {
		return
	}
	defer l.one.Release(1)
	l.stop()
	l.stop = func() {}
	l.closed = true
	l.valid.Store(false)
}
