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

// core is what both versions of the engine share.
type core struct {
	client *client
	locks  locks
	store  string // the configured name
	mount  string
	engine string // the version of the mount that is served: "1" or "2"
	lists  string // between the mount and the path of a folder to list
	spell  secret.Naming
	prefix string // empty, or with a slash at the end
	field  string
	now    func() time.Time
	log    *slog.Logger // may be nil
	stop   func()       // ends what runs in the background
}

// lookAgain is how long a renewal waits for a server that is down.
const lookAgain = 10 * time.Second

// settling bounds what Open waits for the product.
const settling = 5 * time.Second

// open fails where the configuration is wrong, not where the product is down:
// a gateway serves its other stores meanwhile. Which version a mount has that
// cannot be seen now is taken for 2, and stays so until the next start: what a
// store can hold must not change while it serves.
func open(ctx context.Context, env backends.Env, c *Config) (backends.Backend, error) {
	k, err := newCore(env, c, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	engine, err := k.settle(ctx, c.engine())
	if err != nil {
		_ = k.Close()
		return nil, as(err, "check", "")
	}
	if c.method() == nil {
		k.stop = k.keepToken(lookAgain)
	}
	if engine == "1" {
		if k.prefix != "" && !flatNaming.Natural(strings.TrimSuffix(k.prefix, "/")) {
			_ = k.Close()
			return nil, as(secret.Errorf(secret.Invalid, `prefix: KV version 1 takes no path with ".." in it`), "check", "")
		}
		return newFlat(k), nil
	}
	return newVersioned(k), nil
}

// settle returns the version of the engine to serve, and an error where the
// configuration is wrong.
func (k *core) settle(ctx context.Context, want string) (string, error) {
	found, err := k.version(ctx)
	switch {
	case err == nil && want != "" && found != want:
		return "", wrongEngine(k.mount, found, want)
	case err == nil:
		return found, nil
	case errors.Is(err, secret.Invalid):
		return "", err
	}
	if k.log != nil {
		k.log.WarnContext(ctx, "the store is not ready", "store", k.store, "error", err)
	}
	if want == "" {
		want = "2"
		k.client.doubt(k.confirm)
	}
	return want, nil
}

// confirm proves, before the first request proper, what was taken for granted
// while Vault could not say.
func (k *core) confirm(ctx context.Context) error {
	found, err := k.version(ctx)
	switch {
	case errors.Is(err, secret.Upstream): // it will not say; then it is as configured
		return nil
	case err == nil && found != k.engine:
		return &secret.Error{
			Kind: secret.Upstream, Err: wrongEngine(k.mount, found, k.engine),
			Detail: "which version the store's mount has was not known when the gateway started, and it is another: start the gateway again",
		}
	}
	return err
}

func wrongEngine(mount, found, want string) error {
	return secret.Errorf(secret.Invalid, "kv: %s is a KV version %s engine, not %s", mount, found, want)
}

func newCore(env backends.Env, c *Config, base http.RoundTripper) (*core, error) {
	cl, err := newClient(c, base)
	if err != nil {
		return nil, err
	}
	k := &core{client: cl, store: env.Store, mount: strings.Trim(c.Mount, "/"), field: c.Field, now: env.Now, log: env.Log, stop: func() {}}
	if p := strings.Trim(c.Prefix, "/"); p != "" {
		k.prefix = p + "/"
	}
	return k, nil
}

// Check implements backends.Backend. A mount that is missing or of another
// kind is told apart from a server that is down: Invalid.
func (k *core) Check(ctx context.Context) error {
	found, err := k.version(ctx)
	if err == nil && found != k.engine {
		err = wrongEngine(k.mount, found, k.engine)
	}
	return as(err, "check", "")
}

// version asks which version of the engine the mount has: "1" or "2".
func (k *core) version(ctx context.Context) (string, error) {
	var got struct {
		Path    string            `json:"path"`
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	}
	err := k.client.ask(ctx, "sys/internal/ui/mounts/"+k.mount+"/"+k.prefix+"x", &got)
	switch {
	case noPreflight(err):
		return "", &secret.Error{Kind: secret.Upstream, Detail: "there is no mount " + k.mount + " in Vault, or the gateway's credentials have no right in it", Err: err}
	case err != nil:
		return "", err
	case strings.Trim(got.Path, "/") != k.mount:
		return "", secret.Errorf(secret.Invalid, "mount: there is no mount %s in Vault", k.mount)
	case got.Type != "kv" && got.Type != "generic":
		return "", secret.Errorf(secret.Invalid, "mount: %s is no key-value engine", k.mount)
	case got.Options["version"] == "2":
		return "2", nil
	}
	return "1", nil
}

// noPreflight: the answer for a mount that is missing, or hidden from us; an
// invalid token is answered otherwise.
func noPreflight(err error) bool {
	var resp *api.ResponseError
	return errors.As(err, &resp) && says(resp, "preflight capability check")
}

// Close implements backends.Backend.
func (k *core) Close() error {
	k.stop()
	k.client.login.close()
	k.client.close()
	return nil
}
