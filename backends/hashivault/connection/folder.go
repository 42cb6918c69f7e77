// Package connection is what both versions of Vault's key-value engine share:
// the client with its logins, names as paths, values as native fields, and the
// listing of folders.
package connection

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Options say where Vault is, who we are there, and which folder is the store.
type Options struct {
	Address   string
	Namespace string
	Mount     string
	Prefix    string // may be empty
	Field     string // of a single value
	Token     secret.Value
	Login     *Login // nil: Token is used as it is
	Transport kit.Transport
	// LoginEnds is when what Login sends ends. Zero: never, or it is replaced.
	LoginEnds backends.Credential
}

// Engine is what the versions of the engine do differently.
type Engine struct {
	Version string // "1" or "2"
	Lists   string // between the mount and the path of a folder to list
	Naming  secret.Naming
}

// Folder is a folder of a key-value engine: the whole of one store. Paths that
// it is asked for lie below the mount and begin with a slash.
type Folder struct {
	Engine Engine // whoever serves the folder sets it, before the first call
	Store  string // the configured name
	Mount  string
	Prefix string // empty, or with a slash at the end
	Field  string
	Now    func() time.Time
	Log    *slog.Logger // may be nil
	client *client
	stop   func() // ends what runs in the background
	given  func() []backends.Credential
}

// Open contacts nobody. base overrides the transport; nil: the Transport of the options.
func Open(env backends.Env, o *Options, base http.RoundTripper) (*Folder, error) {
	c, err := newClient(o, env.Now, base)
	if err != nil {
		return nil, err
	}
	f := &Folder{client: c, Store: env.Store, Mount: strings.Trim(o.Mount, "/"), Field: o.Field, Now: env.Now, Log: env.Log, stop: func() {}, given: o.credentials}
	if p := strings.Trim(o.Prefix, "/"); p != "" {
		f.Prefix = p + "/"
	}
	return f, nil
}

// LogsIn reports whether the folder's token comes of a login, and not of the
// configuration.
func (f *Folder) LogsIn() bool { return f.client.login != nil }

// LogOut revokes the token of a login: nobody needs it any more. The folder is
// closed by it.
func (f *Folder) LogOut(ctx context.Context) error {
	if f.LogsIn() && f.client.login.valid.Load() {
		err := f.client.once(ctx, request{method: http.MethodPut, path: "auth/token/revoke-self", asks: true}, nil)
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// ConfirmFirst asks confirm before each request until it agrees. It may ask
// Version alone.
func (f *Folder) ConfirmFirst(confirm func(context.Context) error) {
	f.client.unconfirmed.Store(&confirm)
}

// Warn logs what is no reason to fail. Attributes are those of slog.
func (f *Folder) Warn(ctx context.Context, message string, attributes ...any) {
	if f.Log != nil {
		f.Log.WarnContext(ctx, message, append([]any{"store", f.Store}, attributes...)...)
	}
}

// Check implements backends.Backend. A mount that is missing or of another
// kind is told apart from a server that is down: Invalid.
func (f *Folder) Check(ctx context.Context) error {
	found, err := f.Version(ctx)
	if err == nil && found != f.Engine.Version {
		err = f.WrongEngine(found, f.Engine.Version)
	}
	return Named(err, "check", "")
}

// WrongEngine is the error of a mount that has another version than is wanted.
func (f *Folder) WrongEngine(found, want string) error {
	return secret.Errorf(secret.Invalid, "kv: %s is a KV version %s engine, not %s", f.Mount, found, want)
}

// Version asks which version of the engine the mount has: "1" or "2".
func (f *Folder) Version(ctx context.Context) (string, error) {
	var got struct {
		Path    string            `json:"path"`
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	}
	err := f.client.callUnconfirmed(ctx, request{method: http.MethodGet, path: "sys/internal/ui/mounts/" + f.Mount + "/" + f.Prefix + "x"}, &got)
	switch {
	case refuses(err, noPreflight) && f.client.token != nil && isWrapping(ctx, f.client.api, f.client.api.Token()):
		return "", wrapped("token", err)
	case refuses(err, noPreflight):
		return "", &secret.Error{Kind: secret.Upstream, Detail: "there is no mount " + f.Mount + " in Vault, or the gateway's credentials have no right in it", Err: err}
	case err != nil:
		return "", err
	}
	if f.client.token != nil {
		f.client.token.shown.Store(true)
	}
	switch {
	case strings.Trim(got.Path, "/") != f.Mount:
		return "", secret.Errorf(secret.Invalid, "mount: there is no mount %s in Vault", f.Mount)
	case got.Type != "kv" && got.Type != "generic":
		return "", secret.Errorf(secret.Invalid, "mount: %s is no key-value engine", f.Mount)
	case got.Options["version"] == "2":
		return "2", nil
	}
	return "1", nil
}

// noPreflight is the answer for a mount that is missing, or hidden from us; an
// invalid token is answered otherwise.
const noPreflight = "preflight capability check"

// Close implements backends.Backend.
func (f *Folder) Close() error {
	f.stop()
	f.client.login.close()
	f.client.close()
	return nil
}
