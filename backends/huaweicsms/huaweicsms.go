// Package huaweicsms keeps secrets in Huawei Cloud CSMS, or behind a private
// endpoint that speaks the same API, through the vendor's client.
//
// What the product holds natively stays native: text and bytes, versions,
// stages and their two roles, expiry, the description and the tags of a secret.
// The rest of the model stands at the end of the description (trailer.go),
// where the product's own facts would not do; versions that native tools wrote
// read well without (stored.go says how).
//
// The product holds 20 versions of a secret. The twenty-first takes the place
// of the oldest that has no label, and that one is gone for good: the product
// does that by itself, whoever writes. An import of more is foretold to lose
// the oldest that have neither label nor role.
//
// The product has no conditional write but the creation of a secret. Within
// one gateway, writes to one name wait for each other; of two gateways that
// write attributes of one secret at the same moment, the later takes away what
// the other put into the trailer.
//
// Costs in calls: a read of attributes is three (versions, secret, tags), a
// value one more, and values are read 16 at a time; a List is one for a hundred
// names and three for each secret of the page; a Put is four, five with
// attributes that the product lacks.
package huaweicsms

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Backend is a backends.Backend. Its zero value is not usable: see New.
type Backend struct {
	client  client
	scope   uidScope
	now     func() time.Time
	conns   *http.Transport
	locks   kit.KeyedLock
	listing kit.ListingCache[secretFact] // of live secrets and deleted ones
}

var _ backends.Backend = (*Backend)(nil)

// New returns the backend of a valid configuration. It contacts nothing.
func New(env backends.Env, c *Config) (*Backend, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, err
	}
	wire, conns, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	credentials, err := newCredentials(env, c, wire)
	if err != nil {
		return nil, err
	}
	return &Backend{
		client: client{"https://" + u.Host, credentials, wire, c.KMSKeyID, c.EnterpriseProjectID},
		scope:  uidScope{env.Store, strings.ToLower(u.Host) + "/" + c.ProjectID},
		now:    env.Now, conns: conns,
	}, nil
}

// Capabilities implements backends.Backend.
func (b *Backend) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product:      "Huawei Cloud CSMS",
		MaxValue:     maxValue,
		MaxVersions:  maxVersions,
		AtomicCreate: true,
		Durable:      true,
		MaxRetention: maxDays * day,
	}
}

// Profile is CSMS for a store in memory.
func Profile() backends.Profile {
	b := &Backend{}
	return backends.Profile{
		Capabilities: b.Capabilities(),
		Names:        backends.Names{Spell: encodeName, Read: decodeName},
		Forecast:     b.Forecast,
	}
}

// Check implements backends.Backend: it lists one page of names.
func (b *Backend) Check(ctx context.Context) error {
	_, err := b.client.secrets(ctx, true)
	return err
}

// Close implements backends.Backend.
func (b *Backend) Close() error {
	b.conns.CloseIdleConnections()
	return nil
}

func (b *Backend) remote(name secret.Name) (remote, error) {
	wire, err := encodeName(name)
	return remote{b.client, name, wire}, err
}

// locked runs write as the only writer of the name in this process.
func locked[T any](ctx context.Context, b *Backend, name secret.Name, write func(remote) (T, error)) (none T, err error) {
	r, err := b.remote(name)
	if err != nil {
		return none, err
	}
	release, err := b.locks.Lock(ctx, name)
	if err != nil {
		return none, err
	}
	defer release()
	return write(r)
}
