package huaweicsms

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	// early is how long before the end of a key the next one is asked for, as
	// the vendor's client does.
	early = 40 * time.Minute
	// slack is how long before its end a key counts as over: a request that
	// arrives late is a wrong signature, and five of those lock the key.
	slack = time.Minute
	// pause is between two renewals while a key serves, whatever came of the
	// first.
	pause = time.Minute
	// soonest is how long a refusal is believed when no key serves.
	soonest = 5 * time.Second
	// longest bounds one renewal where the vendor's client does not.
	longest = 30 * time.Second
	// leastLife is the shortest that IAM issues.
	leastLife = 15 * time.Minute
)

// credentials hold the key that signs, and have it renewed. A renewal makes
// another key and changes none, so that calls share them. While a key serves
// nobody waits for the next.
type credentials struct {
	issue   issuer // nil: current is for ever
	project string
	store   string
	log     *slog.Logger // may be nil
	now     func() time.Time

	mu      sync.Mutex
	current *issued       // nil: none
	tried   time.Time     // when the last renewal ended
	next    time.Time     // no renewal before, while current serves
	failed  *secret.Error // what the last renewal met
	running *renewal      // nil: none
}

// issued stands between credentials and the key also for package fmt, which
// follows one pointer.
type issued struct {
	key *auth.BasicCredentials
	end time.Time
}

// renewal is one request for a key. The rest stands once done is closed.
type renewal struct {
	done chan struct{}
	key  *auth.BasicCredentials
	err  *secret.Error
}

func newCredentials(env backends.Env, c *Config, transport http.RoundTripper) (*credentials, error) {
	if c.Credential != nil {
		issue, err := newIssuer(c.Credential, transport)
		return &credentials{issue: issue, project: c.ProjectID, store: env.Store, log: env.Log, now: env.Now}, err
	}
	key, err := basic.NewCredentialsBuilder().WithAk(c.AccessKey.ID).WithSk(string(c.AccessKey.Secret.Reveal())).
		WithSecurityToken(string(c.SecurityToken.Reveal())).WithProjectId(c.ProjectID).SafeBuild()
	return &credentials{current: &issued{key: key}}, err
}

// get returns a key to sign one call with, not to be changed. Kinds:
// Unavailable and Upstream.
func (c *credentials) get(ctx context.Context) (*auth.BasicCredentials, error) {
	if c.issue == nil {
		return c.current.key, nil
	}
	key, run, failed := c.look()
	switch {
	case key != nil:
		return key, nil
	case run == nil:
		return nil, failed
	}
	select {
	case <-ctx.Done():
		return nil, &secret.Error{Kind: secret.Unavailable, Detail: noAnswer, Err: ctx.Err()}
	case <-run.done:
	}
	if run.err != nil {
		return nil, run.err
	}
	return run.key, nil
}

// look returns the key that serves, else the renewal to wait for, else why
// there is none.
func (c *credentials) look() (*auth.BasicCredentials, *renewal, *secret.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.running == nil && c.due(now) {
		c.running = &renewal{done: make(chan struct{})}
		go c.renew(c.running)
	}
	if c.serves(now) {
		return c.current.key, nil, nil
	}
	return nil, c.running, c.failed
}

func (c *credentials) serves(now time.Time) bool {
	return c.current != nil && now.Before(c.current.end.Add(-slack))
}

// due reports whether to ask for another key.
func (c *credentials) due(now time.Time) bool {
	switch {
	case c.serves(now):
		return !now.Before(c.next)
	case c.failed != nil && c.failed.Kind == secret.Upstream:
		return !now.Before(c.tried.Add(soonest))
	}
	return true
}

// renew asks for a key. It belongs to no call: it ends by itself in bounded
// time.
func (c *credentials) renew(run *renewal) {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	key, err := c.issue.ask(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	next := now.Add(pause)
	if err == nil {
		end := endOf(key, now.Add(leastLife))
		if now.Before(end.Add(-slack)) {
			key.ProjectId = c.project
			c.current, run.key = &issued{key, end}, key
			next = history.Later(next, end.Add(-early))
		} else {
			err = &secret.Error{Kind: secret.Upstream, Detail: "the access key that the gateway was given is over already; compare the clocks"}
		}
	}
	if err != nil {
		c.warn(now, err)
	}
	c.tried, c.next, c.failed, run.err, c.running = now, next, err, err, nil
	close(run.done)
}

// warn tells the first of failures in a row, while nobody else meets it.
func (c *credentials) warn(now time.Time, err *secret.Error) {
	if c.log != nil && c.failed == nil && c.serves(now) {
		c.log.Warn("the store's access key cannot be renewed; the present one serves until it ends",
			"store", c.store, "end", c.current.end.UTC(), "error", err)
	}
}

// refused hears that the product did not take a key. One that has stood for a
// while may have been taken back, so another must come before the next call:
// renews reports whether one does.
func (c *credentials) refused(key *auth.BasicCredentials) (renews bool) {
	if c.issue == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && c.current.key == key && !c.now().Before(c.tried.Add(pause)) {
		c.current = nil
	}
	return c.current == nil || c.current.key != key
}

// endOf is when a key ends, or otherwise. The vendor's client knows and does
// not say.
func endOf(key any, otherwise time.Time) time.Time {
	f := reflect.ValueOf(key).Elem().FieldByName("expireAt")
	if !f.IsValid() || !f.CanInt() {
		return otherwise
	}
	return time.Unix(f.Int(), 0)
}
