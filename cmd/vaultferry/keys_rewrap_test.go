package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/saved"
	"github.com/vaultferry/vaultferry/secret"
)

// snapshotDeaths is how often each command on backups and repositories is killed;
// "make soak" asks for more.
var snapshotDeaths = flag.Int("snapshot-kills", 5, "how often each command on a repository dies")

// rewrapFiles and rewrapEach are how many files there are, and backups in each.
const rewrapFiles, rewrapEach = 12, 20

// TestRewrapKilled: whenever a rewrap dies, each file holds all its backups, as
// they were or sealed anew, and the same command again comes to the end.
func TestRewrapKilled(t *testing.T) {
	t.Parallel()
	w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
	ring := filepath.Join(w.dir, "keyring.json")
	keys := backup.NewKeyring()
	if err := keys.Create(ring); err != nil {
		t.Fatal(err)
	}
	args := []string{"keys", "rewrap", "--keyring", "keyring.json"}
	for i := range rewrapFiles {
		args = append(args, fmt.Sprintf("file-%02d", i))
		w.file(t, args[len(args)-1], backupsOf(t, keys, i))
	}
	took := time.Duration(0)
	for range *snapshotDeaths + 1 { // the first one lives, and tells how long that takes
		err := backup.EditFile(ring, func(k *backup.Keyring) (*backup.Keyring, error) {
			was := k.Keys()[len(k.Keys())-1].ID
			for _, key := range k.Keys() {
				if key.Use == "enc" && key.Active {
					was = key.ID
				}
			}
			k, _, err := k.Add(backup.AlgA256KW)
			if err != nil {
				return nil, err
			}
			return k.Retire(was, time.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
		cmd := w.command(t.Context(), args...)
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if took > 0 {
			timer := time.AfterFunc(rand.N(took), func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
		err = cmd.Wait()
		if took == 0 {
			took = time.Since(start)
			if err != nil {
				t.Fatal(err)
			}
		}
		w.holdsAll(t, ring, args[4:])
	}
	w.must(t, exitDone, args...)
	keys, err := backup.LoadKeyring(ring)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range args[4:] {
		for _, b := range w.found(t, name) {
			if again, err := keys.Rewrap(b.Blob, false); err != nil || again != nil {
				t.Errorf("%s, at %s: it is not under the present key: %v", name, b.Path, err)
			}
		}
	}
}

func backupsOf(t *testing.T, keys *backup.Keyring, file int) string {
	t.Helper()
	var b strings.Builder
	for j := range rewrapEach {
		blob, err := keys.Seal(&backup.Document{
			SealedAt: time.Unix(1e9, 0), Origin: backup.Origin{Gateway: "g", Store: "s", Name: "n"},
			Secret: &secret.Secret{Name: "n", Current: 1, Versions: []secret.Version{{Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue(fmt.Sprint(file, j))}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", blob)
	}
	return b.String()
}

func (w *killWorld) found(t *testing.T, name string) []saved.Backup {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(w.dir, name))
	found, findErr := saved.Find(raw)
	if err := errors.Join(err, findErr); err != nil {
		t.Fatal(err)
	}
	return found
}

// holdsAll fails unless every file holds its backups, in their order.
func (w *killWorld) holdsAll(t *testing.T, ring string, files []string) {
	t.Helper()
	keys, err := backup.LoadKeyring(ring)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range files {
		found := w.found(t, name)
		if len(found) != rewrapEach {
			t.Errorf("%s holds %d backups", name, len(found))
		}
		for j, b := range found {
			d, err := keys.Open(b.Blob)
			if err != nil || string(d.Secret.Versions[0].Value.Reveal()) != fmt.Sprint(i, j) {
				t.Fatalf("%s, backup %d: %v", name, j, err)
			}
		}
	}
}
