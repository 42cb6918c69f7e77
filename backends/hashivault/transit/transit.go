// Package transit seals small things, such as a whole keyring, with a key of
// Vault's transit engine. The key never leaves Vault.
package transit

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

// Prefix begins all that the engine seals. The version of the key follows.
const Prefix = "vault:v"

// callTimeout bounds what one call waits for Vault.
const callTimeout = 15 * time.Second

// Engine seals and opens with one key. It holds no connection and no token
// between two calls, unless Keep was called.
type Engine struct {
	config *Config
	env    backends.Env
	kept   *connection.Folder
}

// New contacts nobody. The configuration is valid.
func New(c *Config, log *slog.Logger, now func() time.Time) *Engine {
	filled := *c
	filled.SetDefaults()
	return &Engine{config: &filled, env: backends.Env{Store: "keyring", Log: log, Now: now}}
}

// Name says which key it is.
func (e *Engine) Name() string {
	return "Vault's transit key " + strings.Trim(e.config.Mount, "/") + "/" + e.config.Key
}

// Keep renews a fixed token in the background until Close: who opens something
// rarely would else find it expired. Of a login nothing is kept.
func (e *Engine) Keep() error {
	f, err := e.open()
	if err != nil || f.LogsIn() {
		return err
	}
	f.KeepToken()
	e.kept = f
	return nil
}

// Close ends what Keep began.
func (e *Engine) Close() error {
	if e.kept == nil {
		return nil
	}
	return e.kept.Close()
}

func (e *Engine) open() (*connection.Folder, error) {
	o := e.config.Options()
	o.Mount = e.config.Mount
	return connection.Open(e.env, &o, nil)
}

// Open returns what Seal sealed, by any version of the key that Vault still
// opens. Unavailable and Throttled mean that it may open later.
func (e *Engine) Open(ctx context.Context, sealed string) (plain []byte, err error) {
	if !strings.HasPrefix(sealed, Prefix) {
		return nil, secret.Errorf(secret.Corrupt, "%s", notOurs)
	}
	err = e.with(ctx, func(ctx context.Context, f *connection.Folder) error {
		plain, err = e.decrypt(ctx, f, sealed)
		return err
	})
	return plain, err
}

// Seal seals under the newest version of the key, which must be there, and has
// opened the result before it returns it.
func (e *Engine) Seal(ctx context.Context, plain []byte) (sealed string, err error) {
	err = e.with(ctx, func(ctx context.Context, f *connection.Folder) error {
		sealed, err = e.seal(ctx, f, plain)
		return err
	})
	return sealed, err
}

func (e *Engine) seal(ctx context.Context, f *connection.Folder, plain []byte) (string, error) {
	// Danger: Vault makes a key that is not there, so a misspelt name would seal
	// with a key that nobody knows of. A text that nothing sealed is refused in
	// other words where the key is there.
	if _, err := e.decrypt(ctx, f, Prefix+"1:"); absent(err) {
		return "", err
	}
	var got struct {
		Ciphertext string `json:"ciphertext"`
	}
	if err := e.ask(ctx, f, "encrypt", "plaintext", plain, &got); err != nil {
		return "", err
	}
	if !strings.HasPrefix(got.Ciphertext, Prefix) {
		return "", secret.Errorf(secret.Upstream, "Vault answers with something that is not sealed")
	}
	again, err := e.decrypt(ctx, f, got.Ciphertext)
	if err != nil {
		return "", &secret.Error{Kind: secret.KindOf(err), Detail: "Vault sealed it and does not open it again, so nothing was written: " + secret.DetailOf(err), Err: secret.Cause(err)}
	}
	if subtle.ConstantTimeCompare(again, plain) != 1 {
		return "", secret.Errorf(secret.Upstream, "Vault opens something else than it sealed, so nothing was written")
	}
	return got.Ciphertext, nil
}

func (e *Engine) decrypt(ctx context.Context, f *connection.Folder, sealed string) ([]byte, error) {
	var got struct {
		Plaintext []byte `json:"plaintext"` // base64, as encoding/json has bytes
	}
	err := e.ask(ctx, f, "decrypt", "ciphertext", sealed, &got)
	return got.Plaintext, err
}

// ask makes one request of the engine's: none of them changes anything.
func (e *Engine) ask(ctx context.Context, f *connection.Folder, verb, key string, in, out any) error {
	body := map[string]any{key: in}
	if e.config.Context != "" {
		body["context"] = []byte(e.config.Context)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return e.classify(f.Ask(ctx, "/"+verb+"/"+e.config.Key, b, out), verb)
}

// with has f work on a connection, which is closed afterwards, with its login.
func (e *Engine) with(ctx context.Context, f func(context.Context, *connection.Folder) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if e.kept != nil {
		return f(ctx, e.kept)
	}
	folder, err := e.open()
	if err != nil {
		return err
	}
	defer func() { _ = folder.LogOut(ctx) }() // else the token ends by itself
	return f(ctx, folder)
}
