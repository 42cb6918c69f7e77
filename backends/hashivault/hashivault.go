// Package hashivault keeps secrets in a key-value engine of HashiCorp Vault:
// kv2 is version 2 of the engine, kv1 version 1. This package has the
// configuration, and picks the version.
package hashivault

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv1"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv2"
	"github.com/vaultferry/vaultferry/secret"
)

// Driver opens stores of kind "hashivault".
var Driver = backends.Define("hashivault", open)

// startTimeout bounds what Open waits for the product.
const startTimeout = 5 * time.Second

// open fails where the configuration is wrong, not where the product is down:
// a gateway serves its other stores meanwhile. Which version a mount has that
// cannot be seen now is taken for 2, and stays so until the next start: what a
// store can hold must not change while it serves.
func open(ctx context.Context, env backends.Env, c *Config) (backends.Backend, error) {
	f, err := newFolder(env, c, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	version, err := detect(ctx, f, c.engine())
	if err == nil && version == engine1 && !kv1.Naming.Natural(f.Prefix+"x") {
		err = secret.Errorf(secret.Invalid, `prefix: KV version 1 takes no path with ".." in it`)
	}
	if err != nil {
		_ = f.Close()
		return nil, connection.Named(err, "check", "")
	}
	if !f.LogsIn() {
		f.KeepToken()
	}
	if version == engine1 {
		return kv1.New(f), nil
	}
	s := kv2.New(f)
	_ = s.Learn(ctx) // if it fails, the first write that needs it asks again
	return s, nil
}

func newFolder(env backends.Env, c *Config, base http.RoundTripper) (*connection.Folder, error) {
	o := c.Options()
	o.Mount, o.Prefix, o.Field = c.Mount, c.Prefix, c.Field
	return connection.Open(env, &o, base)
}

// detect returns the version of the engine to serve, and an error where the
// configuration is wrong.
func detect(ctx context.Context, f *connection.Folder, want string) (string, error) {
	found, err := f.Version(ctx)
	switch {
	case err == nil && want != "" && found != want:
		return "", f.WrongEngine(found, want)
	case err == nil:
		return found, nil
	case errors.Is(err, secret.Invalid), errors.Is(err, connection.ErrWrapping):
		return "", err
	}
	f.Warn(ctx, "the store is not ready", "error", err)
	if want == "" {
		want = engine2
		f.ConfirmFirst(func(ctx context.Context) error { return confirm(ctx, f) })
	}
	return want, nil
}

// confirm proves, before the first request proper, what was taken for granted
// while Vault could not say.
func confirm(ctx context.Context, f *connection.Folder) error {
	found, err := f.Version(ctx)
	switch {
	case errors.Is(err, connection.ErrWrapping):
		return err
	case errors.Is(err, secret.Upstream): // it will not say; then it is as configured
		return nil
	case err == nil && found != f.Engine.Version:
		return &secret.Error{
			Kind: secret.Upstream, Err: f.WrongEngine(found, f.Engine.Version),
			Detail: "Vault could not say at the start which version of the KV engine the store's mount has, and it is not the one that the gateway took it for: start the gateway again",
		}
	}
	return err
}
