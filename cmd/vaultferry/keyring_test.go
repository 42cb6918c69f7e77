package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/transit"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/keysource"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// failing is a keyring that cannot be had before a try.
type failing struct {
	err          error
	until, tries int
}

func (*failing) Name() string { return "nowhere" }

func (f *failing) Load(context.Context) (*backup.Keyring, error) {
	f.tries++
	if f.tries < f.until {
		return nil, f.err
	}
	return backup.NewKeyring(), nil
}

// TestAwaitKeyring: a gateway waits for what may come, for a minute, and for nothing
// else.
func TestAwaitKeyring(t *testing.T) {
	down := secret.Errorf(secret.Unavailable, "Vault is sealed")
	for name, c := range map[string]struct {
		err   error
		until int // the try from which on there is no error
		tries int
		took  time.Duration // and no longer than the longest pause more
		want  error
	}{
		"it is there":    {down, 1, 1, 0, nil},
		"it comes":       {down, 4, 4, 3500 * time.Millisecond, nil},
		"it never comes": {down, 1 << 30, 11, keyringPatience - longestPause, secret.Unavailable},
		"it is refused":  {secret.Errorf(secret.Upstream, "no"), 1 << 30, 1, 0, secret.Upstream},
		"it is broken":   {secret.Errorf(secret.Corrupt, "no"), 1 << 30, 1, 0, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, _, said := testApp(nil)
			f := &failing{err: c.err, until: c.until}
			began := time.Now()
			k, err := a.awaitKeyring(t.Context(), f)
			took := time.Since(began)
			if took < c.took || took > c.took+longestPause || f.tries != c.tries {
				t.Errorf("%s: after %d tries in %v", name, f.tries, took)
			}
			switch {
			case name == "it is broken":
				var exit *exitError
				if !errors.As(err, &exit) || exit.code != exitUsage {
					t.Errorf("%s: %v", name, err)
				}
			case !errors.Is(err, c.want), (k == nil) == (err == nil):
				t.Errorf("%s: %v", name, err)
			}
			if n := strings.Count(said.String(), "waits for its keyring"); n != f.tries-1 {
				t.Errorf("%s: told %d times of %d: %s", name, n, f.tries, said)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := testApp(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := a.awaitKeyring(ctx, &failing{err: down, until: 1 << 30}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who is told to stop waits on: %v", err)
		}
	})
}

// sealedEdits is how often a change of a sealed keyring is killed.
const sealedEdits = 6

// TestSealedKeyringKilled: whenever a command that changes a sealed keyring dies, the
// keyring that was there, or the changed one, opens, and nothing plain is left.
func TestSealedKeyringKilled(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	mount, key := server.NewTransit(t, nil)
	w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
	w.file(t, "token", vaulttest.RootToken)
	w.file(t, "vaultferry.yaml", fmt.Sprintf(`server: { tls: { off: true } }
keyring: { transit: { file: ring.sealed, address: %q, mount: %s, key: %s, token: { file: token } } }
stores: [ { name: main, backend: memory } ]
`, server.Address, mount, key))
	w.must(t, exitDone, "keys", "new", "--output-file", "ring.json")
	w.must(t, exitDone, "keys", "seal", "ring.json")
	if err := os.Remove(filepath.Join(w.dir, "ring.json")); err != nil {
		t.Fatal(err)
	}
	c := transit.Config{Mount: mount, Key: key}
	c.Address, c.Token = server.Address, secret.TextValue(vaulttest.RootToken)
	engine := transit.New(&c, slog.New(slog.DiscardHandler), time.Now)
	file := filepath.Join(w.dir, "ring.sealed")
	var stands []backup.KeyInfo
	took := time.Duration(0)
	for i := range sealedEdits + 1 { // the first one lives, and tells how long that takes
		cmd := w.command(t.Context(), "keys", "new", "--add")
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			timer := time.AfterFunc(rand.N(took), func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
		err := cmd.Wait()
		if i == 0 {
			took = time.Since(start)
			if err != nil {
				t.Fatal(err)
			}
		}
		k, err := keysource.NewSealed(file, engine).Load(t.Context())
		if err != nil {
			t.Fatalf("after edit %d: %v", i, err)
		}
		keys := k.Keys()
		if len(keys) != len(stands) && i > 0 && len(keys) != len(stands)+1 {
			t.Errorf("after edit %d there are %d keys, and were %d", i, len(keys), len(stands))
		}
		stands = keys
		half := file + ".new"
		if text, err := os.ReadFile(half); err == nil && strings.Contains(string(text), "{") {
			t.Errorf("%s holds something that is not sealed", half)
		}
		if err := os.Remove(half); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
