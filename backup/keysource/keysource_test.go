package keysource_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/transit"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/keysource"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

func TestMain(m *testing.M) { vaulttest.Main(m) }

func text(t *testing.T, k *backup.Keyring) string {
	t.Helper()
	b, err := k.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// holds fails unless the source has that keyring.
func holds(t *testing.T, s keysource.Source, want *backup.Keyring) {
	t.Helper()
	k, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", s.Name(), err)
	}
	if text(t, k) != text(t, want) {
		t.Errorf("%s holds another keyring", s.Name())
	}
}

// fails: the error says this, and nothing of the keyring.
func fails(t *testing.T, err error, k *backup.Keyring, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if err == nil || k == nil {
		return
	}
	plain := text(t, k)
	said := fmt.Sprintf("%+v %s", err, secret.Explain(err))
	for _, part := range []string{plain[:40], base64.StdEncoding.EncodeToString([]byte(plain))[:40], `"k"`, `"d"`} {
		if strings.Contains(said, part) {
			t.Errorf("the error discloses: %s", said)
		}
	}
}

// TestSources: each place holds what was put there, and says what is missing.
func TestSources(t *testing.T) {
	k, dir := backup.NewKeyring(), t.TempDir()
	file := keysource.File{Path: filepath.Join(dir, "ring.json")}
	_, err := file.Load(t.Context())
	fails(t, err, nil, "ring.json")
	if err := file.Create(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	holds(t, file, k)

	credential := keysource.Credential{ID: "ring.json", Path: file.Path}
	holds(t, credential, k)
	_, err = keysource.Credential{ID: "ring.json"}.Load(t.Context())
	fails(t, err, nil, "systemd's credential ring.json: $CREDENTIALS_DIRECTORY is not set")
	_, err = keysource.Credential{ID: "other", Path: filepath.Join(dir, "other")}.Load(t.Context())
	fails(t, err, nil, "systemd's credential other: ")

	for _, s := range []keysource.Source{credential, keysource.Variable{ID: "X"}} {
		if _, ok := s.(keysource.Editor); ok {
			t.Errorf("%s can be changed", s.Name())
		}
	}
}

// TestVariable: it is taken out of the environment, and known ever after.
func TestVariable(t *testing.T) {
	k := backup.NewKeyring()
	s := keysource.Variable{ID: "KEYSOURCE_" + rand.Text()} // what was taken is known ever after
	_, err := s.Load(t.Context())
	fails(t, err, nil, "the environment variable "+s.ID+": it is not set")
	t.Setenv(s.ID, text(t, k))
	holds(t, s, k)
	if _, set := os.LookupEnv(s.ID); set {
		t.Error("it is in the environment still")
	}
	holds(t, s, k)
	for set, want := range map[string]string{"": "it is empty", text(t, k)[:50]: "not a JSON object"} {
		t.Setenv(s.ID, set)
		_, err = s.Load(t.Context())
		fails(t, err, k, want)
	}
}

// world is a transit key, and a file that it seals.
type world struct {
	*keysource.Sealed
	engine *transit.Engine
	mount  string
	file   string
}

func newWorld(t *testing.T, server *vaulttest.Server) *world {
	t.Helper()
	c := transit.Config{}
	c.Address, c.Token = server.Address, secret.TextValue(vaulttest.RootToken)
	c.Mount, c.Key = server.NewTransit(t, nil)
	w := &world{engine: transit.New(&c, slog.New(slog.DiscardHandler), time.Now), mount: c.Mount, file: filepath.Join(t.TempDir(), "ring.sealed")}
	w.Sealed = w.again()
	return w
}

// again is the source as another process has it.
func (w *world) again() *keysource.Sealed { return keysource.NewSealed(w.file, w.engine) }

func (w *world) bytes(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSealed(t *testing.T) {
	t.Parallel()
	w, k := newWorld(t, vaulttest.Shared(t)), backup.NewKeyring()
	_, err := w.Load(t.Context())
	fails(t, err, nil, "there is no such file: vaultferry keys seal makes it")
	if err := w.Create(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	holds(t, w.again(), k)
	info, err := os.Stat(w.file)
	if err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(w.bytes(t), transit.Prefix) || strings.Count(w.bytes(t), "\n") != 1 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	was := w.bytes(t)
	// Vault's own command takes the file as it is, its line end included.
	native, err := vaulttest.Shared(t).Client(t, vaulttest.RootToken).Logical().Write(w.mount+"/decrypt/ring", map[string]any{"ciphertext": was})
	if err != nil || native.Data["plaintext"] != base64.StdEncoding.EncodeToString([]byte(text(t, k))) {
		t.Errorf("Vault opens something else: %v", err)
	}
	if err := w.Create(t.Context(), backup.NewKeyring()); !errors.Is(err, os.ErrExist) || w.bytes(t) != was {
		t.Errorf("Create over a keyring: %v", err)
	}
	_, err = keysource.File{Path: w.file}.Load(t.Context())
	fails(t, err, k, "sealed by a transit key of Vault: keyring.transit")
	write(t, w.file, text(t, k))
	_, err = w.again().Load(t.Context())
	fails(t, err, k, "not sealed: vaultferry keys seal")
	for text, want := range map[string]string{"": "it is empty", " \n": "it is empty", "vault:v1:AAAA\n": "not sealed by this key", strings.Repeat("x", 9<<20): "larger than"} {
		write(t, w.file, text)
		_, err = w.again().Load(t.Context())
		fails(t, err, k, want)
	}
	write(t, w.file, was)
	if err := os.Chmod(w.file, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = w.again().Load(t.Context())
	fails(t, err, k, "every user can write")
}

// TestSealedEdit: a change is in the file, sealed, and nothing else ever is.
func TestSealedEdit(t *testing.T) {
	t.Parallel()
	w, k := newWorld(t, vaulttest.Shared(t)), backup.NewKeyring()
	if err := w.Create(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	holds(t, w, k)
	var added *backup.Keyring
	add := func(stands *backup.Keyring) (_ *backup.Keyring, err error) {
		if text(t, stands) != text(t, k) {
			t.Error("the edit has another keyring before it")
		}
		for _, name := range dirOf(t, w.file) { // while the change is under way
			b, err := os.ReadFile(filepath.Join(filepath.Dir(w.file), name))
			if err != nil || strings.Contains(string(b), `"keys"`) {
				t.Errorf("%s holds the keyring as it is: %v", name, err)
			}
		}
		added, _, err = stands.Add(backup.AlgA256KW)
		return added, err
	}
	if err := w.Edit(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	holds(t, w, added)
	holds(t, w.again(), added)

	was := w.bytes(t)
	refused := errors.New("no")
	if err := w.Edit(t.Context(), func(*backup.Keyring) (*backup.Keyring, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("an edit that fails: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Edit(canceled, add); err == nil {
		t.Error("an edit that nobody waits for")
	}
	if names := dirOf(t, w.file); w.bytes(t) != was || len(names) != 1 {
		t.Errorf("after edits that failed there are %v", names)
	}
}

// TestSealedCrash: an edit that dies before the file has its name leaves the keyring
// as it was, and the next edit says what to remove.
func TestSealedCrash(t *testing.T) {
	t.Parallel()
	w, k := newWorld(t, vaulttest.Shared(t)), backup.NewKeyring()
	if err := w.Create(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	half := w.file + ".new"
	write(t, half, w.bytes(t)[:20])
	holds(t, w.again(), k)
	same := func(k *backup.Keyring) (*backup.Keyring, error) { return k, nil }
	fails(t, w.Edit(t.Context(), same), k, "remove "+half)
	if err := os.Remove(half); err != nil {
		t.Fatal(err)
	}
	if err := w.Edit(t.Context(), same); err != nil {
		t.Fatal(err)
	}
	holds(t, w.again(), k)
}

// TestSealedRotated: after a rotation of the transit key an edit that changes nothing
// seals anew, and then older versions may go.
func TestSealedRotated(t *testing.T) {
	t.Parallel()
	server := vaulttest.Shared(t)
	w, k := newWorld(t, server), backup.NewKeyring()
	if err := w.Create(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	native := server.Client(t, vaulttest.RootToken)
	if _, err := native.Logical().Write(w.mount+"/keys/ring/rotate", nil); err != nil {
		t.Fatal(err)
	}
	holds(t, w.again(), k)
	if err := w.Edit(t.Context(), func(k *backup.Keyring) (*backup.Keyring, error) { return k, nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := native.Logical().Write(w.mount+"/keys/ring/config", map[string]any{"min_decryption_version": 2}); err != nil {
		t.Fatal(err)
	}
	holds(t, w.again(), k)
}

// TestSealedWithoutVault: what was opened once is had without Vault for as long as
// the file is the same; a file that has changed is not.
func TestSealedWithoutVault(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	w, k := newWorld(t, server), backup.NewKeyring()
	if err := w.Create(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	holds(t, w, k)
	was := w.bytes(t)
	server.Stop()
	holds(t, w, k)
	_, err := w.again().Load(t.Context())
	fails(t, err, k, "Vault cannot be reached")
	if !errors.Is(err, secret.Unavailable) {
		t.Errorf("the kind of %v", err)
	}
	fails(t, w.Edit(t.Context(), func(k *backup.Keyring) (*backup.Keyring, error) { return k, nil }), k, "Vault cannot be reached")
	if w.bytes(t) != was {
		t.Error("the file has changed")
	}
	write(t, w.file, "vault:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
	_, err = w.Load(t.Context())
	fails(t, err, k, "Vault cannot be reached")
}

func dirOf(t *testing.T, file string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
