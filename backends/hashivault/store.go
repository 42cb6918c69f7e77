// Package hashivault keeps secrets in a KV v2 engine of HashiCorp Vault.
//
// Values lie there as native tools expect them: a text is the single field
// "value" (or the configured one), fields are the fields. What KV v2 has no
// place for is kept beside: per version in the custom_metadata key
// "vaultferry.v<N>" ("vaultferry.w<N>." and a word while it is being written),
// of the secret in "vaultferry", of an unfinished import in
// "vaultferry.import", and what does not fit in a companion secret under the
// folder "vaultferry.meta". The gateway's notes about the store are in that
// folder as well. A version without a key of its own, so any that native tools
// wrote, reads from the product's facts alone. A version that was added natively becomes current, as it does there.
//
// A deleted secret has every version deleted natively and the custom_metadata
// key "vaultferry.trash", which says when, until when, and which versions were
// deleted before. What is disabled is never deleted.
//
// The gateway's token needs create, update and read on data/, and create,
// update, patch, read, list and delete on metadata/; update on destroy/ for
// imports, and on delete/ and undelete/ for the trash. It
// had better read config, so that an import is refused before its first write
// where the mount deletes versions after a time.
//
// # What can race
//
// Every version is written with cas, so no version is lost or overwritten by
// whoever writes at the same time. Within one process writers of one name
// queue, and readers see value and attributes together. Between two processes
// the attributes follow the value by a request: a reader of the other process
// may see a version without them for that moment (never a disabled one as
// enabled), and of two writers that change stages, roles or attributes of the
// secret in the same moment the later wins.
package hashivault

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Driver opens stores of kind "hashivault".
var Driver = backends.Define("hashivault", open)

// Store is a folder of a KV v2 engine.
type Store struct {
	client *client
	locks  locks
	store  string // the configured name
	mount  string
	prefix string // empty, or with a slash at the end
	field  string
	now    func() time.Time
	log    *slog.Logger // may be nil
}

// settling bounds what Open waits for the product.
const settling = 5 * time.Second

// open fails where the configuration is wrong, not where the product is down:
// a gateway serves its other stores meanwhile.
func open(ctx context.Context, env backends.Env, c *Config) (backends.Backend, error) {
	s, err := newStore(env, c, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	if err := s.Check(ctx); err != nil {
		if secret.KindOf(err) == secret.Invalid {
			_ = s.Close()
			return nil, err
		}
		if env.Log != nil {
			env.Log.WarnContext(ctx, "the store is not ready", "store", env.Store, "error", err)
		}
	}
	return s, nil
}

func newStore(env backends.Env, c *Config, base http.RoundTripper) (*Store, error) {
	cl, err := newClient(c, base)
	if err != nil {
		return nil, err
	}
	s := &Store{client: cl, store: env.Store, mount: strings.Trim(c.Mount, "/"), field: c.Field, now: env.Now, log: env.Log}
	if p := strings.Trim(c.Prefix, "/"); p != "" {
		s.prefix = p + "/"
	}
	return s, nil
}

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product: "HashiCorp Vault KV v2", MaxValue: maxValue,
		AtomicCreate: true, Durable: true, KeepsEmptyTags: true,
	}
}

// Check implements backends.Backend. A mount that is missing or no KV v2 is
// told apart from a server that is down: Invalid.
func (s *Store) Check(ctx context.Context) error {
	var got struct {
		Path    string            `json:"path"`
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	}
	err := s.client.read(ctx, "sys/internal/ui/mounts/"+s.mount+"/"+s.prefix+"x", nil, &got)
	switch {
	case noPreflight(err):
		return as(&secret.Error{Kind: secret.Upstream, Detail: "there is no mount " + s.mount + " in Vault, or the gateway's credentials have no right in it", Err: err}, "check", "")
	case err != nil:
		return as(err, "check", "")
	case strings.Trim(got.Path, "/") != s.mount:
		return as(secret.Errorf(secret.Invalid, "mount: there is no mount %s in Vault", s.mount), "check", "")
	case got.Type != "kv" && got.Type != "generic":
		return as(secret.Errorf(secret.Invalid, "mount: %s is no key-value engine", s.mount), "check", "")
	case got.Options["version"] != "2":
		return as(secret.Errorf(secret.Invalid, "mount: %s is a KV version 1 engine, which keeps no versions; version 2 is needed", s.mount), "check", "")
	}
	return nil
}

// noPreflight: the answer for a mount that is missing, or hidden from us; an
// invalid token is answered otherwise.
func noPreflight(err error) bool {
	var resp *api.ResponseError
	return errors.As(err, &resp) && says(resp, "preflight capability check")
}

// Close implements backends.Backend.
func (s *Store) Close() error {
	s.client.login.close()
	s.client.close()
	return nil
}
