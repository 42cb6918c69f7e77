package callerfile_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/callerfile"
	"github.com/vaultferry/vaultferry/secret"
)

var noon = time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)

type world struct {
	path string
	ring *backup.Keyring
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{filepath.Join(t.TempDir(), "callers.json"), backup.NewKeyring()}
}

func (w *world) make(t *testing.T, kind callerfile.Kind, caller string, at time.Time, bounds access.Bounds) (made callerfile.Made) {
	t.Helper()
	must(t, callerfile.Edit(w.path, w.ring, func(f *callerfile.File) (err error) {
		made, err = f.New(w.ring, kind, caller, at, bounds)
		return err
	}))
	return made
}

func (w *world) retire(t *testing.T, kind callerfile.Kind, caller, id string, now, at time.Time) (ended string, err error) {
	t.Helper()
	err = callerfile.Edit(w.path, w.ring, func(f *callerfile.File) (err error) {
		ended, err = f.Retire(kind, caller, id, now, at)
		return err
	})
	return ended, err
}

func (w *world) credentials(t *testing.T) *access.Credentials {
	t.Helper()
	f, err := callerfile.Load(w.path, w.ring)
	must(t, err)
	creds := access.NewCredentials()
	unknown, err := f.AddTo(creds, w.ring, func(name string) bool { return name != "gone" })
	must(t, err)
	if len(unknown) > 1 || len(unknown) == 1 && unknown[0] != "gone" {
		t.Errorf("unknown: %v", unknown)
	}
	return creds
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) read(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(w.path)
	must(t, err)
	return b
}

// TestRotation: a new credential stands beside the old one until that one is
// retired, and each has its bounds.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	near := access.Bounds{Expires: noon.Add(48 * time.Hour), Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	old := w.make(t, callerfile.AccessKey, "app", noon, access.Bounds{})
	next := w.make(t, callerfile.AccessKey, "app", noon.Add(time.Second), near)
	token := w.make(t, callerfile.Token, "app", noon, near)
	w.make(t, callerfile.Token, "gone", noon, access.Bounds{})
	for _, s := range []secret.Value{old.Secret, next.Secret, token.Secret} {
		if bytes.Contains(w.read(t), s.Reveal()) {
			t.Fatal("a secret stands in the file")
		}
		if !access.Strong(s.Reveal()) {
			t.Error("it can be guessed")
		}
	}
	creds := w.credentials(t)
	for _, m := range []callerfile.Made{old, next} {
		k, ok := creds.AccessKey(m.ID, "huawei")
		if !ok || !k.Secret.Equal(m.Secret) || k.Caller.ID != "app" || k.Caller.Credential != "key:"+m.ID || len(m.ID) != 20 {
			t.Errorf("%s is not taken: %+v", m.ID, k.Caller)
		}
	}
	from := access.From{Via: "azure", Address: "10.1.1.1", Time: noon}
	if who, err := creds.Bearer(string(token.Secret.Reveal()), from, nil); err != nil || who.ID != "app" || who.Credential != "token:"+token.ID {
		t.Errorf("%+v, %v", who, err)
	}
	from.Time = near.Expires
	if _, err := creds.Bearer(string(token.Secret.Reveal()), from, nil); !access.Ended(err) {
		t.Errorf("at its end: %v", err)
	}

	if id, err := w.retire(t, callerfile.AccessKey, "app", "", noon, noon.Add(time.Hour)); err != nil || id != old.ID {
		t.Fatalf("the oldest one is %s, not %q: %v", old.ID, id, err)
	}
	creds = w.credentials(t)
	k, _ := creds.AccessKey(old.ID, "huawei")
	if creds.Check(k.Caller, access.From{Time: noon.Add(time.Hour - 1)}) != nil || creds.Check(k.Caller, access.From{Time: noon.Add(time.Hour)}) == nil {
		t.Error("it does not end when it was told to")
	}
	if id, err := w.retire(t, callerfile.AccessKey, "app", old.ID, noon, noon); err != nil || id != old.ID {
		t.Fatal(err)
	}
	if _, ok := w.credentials(t).AccessKey(old.ID, ""); ok {
		t.Error("a retired key is there")
	}
	for _, c := range []struct {
		caller, id string
		want       secret.Kind
	}{{"app", "", secret.Invalid}, {"app", old.ID, secret.NotFound}, {"app", token.ID, secret.NotFound}, {"nobody", "", secret.NotFound}} {
		before := w.read(t)
		if _, err := w.retire(t, callerfile.AccessKey, c.caller, c.id, noon, noon); secret.KindOf(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		if !bytes.Equal(before, w.read(t)) {
			t.Error("a refused edit has written")
		}
	}
	if _, err := w.retire(t, callerfile.AccessKey, "app", next.ID, noon, noon); err != nil {
		t.Errorf("the last one, by its name: %v", err)
	}
}

// TestEveryChangeIsFound: whatever byte is another one, nothing of the file counts.
func TestEveryChangeIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make(t, callerfile.Token, "app", noon, access.Bounds{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	w.make(t, callerfile.AccessKey, "other", noon, access.Bounds{})
	sound := w.read(t)
	wants := func(what string, content []byte) {
		t.Helper()
		must(t, os.WriteFile(w.path, content, 0o600))
		_, err := callerfile.Load(w.path, w.ring)
		if secret.KindOf(err) != secret.Invalid || err == nil || !strings.Contains(err.Error(), w.path) {
			t.Errorf("%s: %v", what, err)
		}
		if err := callerfile.Edit(w.path, w.ring, func(*callerfile.File) error { return nil }); err == nil {
			t.Errorf("%s: it is written over", what)
		}
		if got := w.read(t); !bytes.Equal(got, content) {
			t.Errorf("%s: it was changed", what)
		}
	}
	for i := range sound {
		changed := bytes.Clone(sound)
		changed[i] ^= 1
		must(t, os.WriteFile(w.path, changed, 0o600))
		if _, err := callerfile.Load(w.path, w.ring); err == nil {
			t.Errorf("byte %d, %q", i, sound[i])
		}
	}
	wants("more", append(bytes.Clone(sound), '\n'))
	wants("less", sound[:len(sound)-1])
	wants("two", append(bytes.Clone(sound), sound...))
	wants("another order of keys", bytes.Replace(sound, []byte(`"format": "vaultferry callers 1",`), nil, 1))
	wants("empty", []byte{})
	wants("a wider network", bytes.Replace(sound, []byte("10.0.0.0/8"), []byte("0.0.0.0/0"), 1))
	wants("another caller", bytes.Replace(sound, []byte(`"other"`), []byte(`"admin"`), 1))
	must(t, os.WriteFile(w.path, sound, 0o600))
	if _, err := callerfile.Load(w.path, backup.NewKeyring()); err == nil {
		t.Error("it counts under another keyring")
	}
	must(t, os.Chmod(w.path, 0o640))
	if _, err := callerfile.Load(w.path, w.ring); err == nil {
		t.Error("others can read it")
	}
}

// TestEditedMeanwhile: what another hand writes while the program does is not lost.
func TestEditedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make(t, callerfile.Token, "app", noon, access.Bounds{})
	theirs := append(bytes.Clone(w.read(t)), "# by hand\n"...)
	err := callerfile.Edit(w.path, w.ring, func(f *callerfile.File) error {
		must(t, os.WriteFile(w.path, theirs, 0o600))
		_, err := f.New(w.ring, callerfile.Token, "app", noon, access.Bounds{})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "changed it meanwhile") || !bytes.Equal(w.read(t), theirs) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(w.path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Error("the lock is left")
	}
	fresh := filepath.Join(t.TempDir(), "callers.json")
	err = callerfile.Edit(fresh, w.ring, func(*callerfile.File) error { return os.WriteFile(fresh, theirs, 0o600) })
	if got, _ := os.ReadFile(fresh); err == nil || !bytes.Equal(got, theirs) {
		t.Errorf("a file that came meanwhile: %v", err)
	}
}

// TestEditsAtOnce: of those that succeed none is lost, and the others say so.
func TestEditsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mu sync.Mutex
	var tokens []secret.Value
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			var made callerfile.Made
			err := callerfile.Edit(w.path, w.ring, func(f *callerfile.File) (err error) {
				made, err = f.New(w.ring, callerfile.Token, "app", noon, access.Bounds{})
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				tokens = append(tokens, made.Secret)
			case !strings.Contains(err.Error(), "another edit is under way") && !strings.Contains(err.Error(), "file exists"):
				t.Error(err)
			}
		})
	}
	all.Wait()
	creds := w.credentials(t)
	for _, s := range tokens {
		if _, ok := creds.TokenOf(sha256.Sum256(s.Reveal()), ""); !ok {
			t.Error("one is lost")
		}
	}
	if len(tokens) == 0 {
		t.Error("none succeeded")
	}
}

// TestSealedForOne: a sealed key is good for its caller and under its id alone.
func TestSealedForOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.make(t, callerfile.AccessKey, "app", noon, access.Bounds{})
	for name, change := range map[string]func(*callerfile.Caller){
		"caller": func(c *callerfile.Caller) { c.Name = "other" },
		"id":     func(c *callerfile.Caller) { c.AccessKeys[0].ID = "AKOTHER" },
		"sealed": func(c *callerfile.Caller) { c.AccessKeys[0].Sealed = "x" },
	} {
		f, err := callerfile.Load(w.path, w.ring)
		must(t, err)
		change(&f.Callers[0])
		if _, err := f.AddTo(access.NewCredentials(), w.ring, func(string) bool { return true }); err == nil {
			t.Errorf("another %s is taken", name)
		}
	}
}
