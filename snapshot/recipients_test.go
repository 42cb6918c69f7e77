package snapshot_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// reopen opens the repository with another keyring.
func (w *world) reopen(t *testing.T, keys *backup.Keyring) {
	t.Helper()
	var err error
	w.keys = keys
	w.Repository, err = snapshot.Open(w.dir, keys, w.now)
	must(t, err)
}

// TestRewrapCut: wherever a rewrap is cut, the repository opens, and the next one comes
// to the end. What is left of additions and removals that were cut can be removed.
func TestRewrapCut(t *testing.T) {
	t.Parallel()
	for what, cut := range map[string]func(w *world, t *testing.T, old, now string){
		"before":                 func(*world, *testing.T, string, string) {},
		"with the voucher alone": func(w *world, t *testing.T, _, now string) { w.rewrap(t); must(t, os.Remove(w.keyFile(now, ".jwe"))) },
		"done":                   func(w *world, t *testing.T, _, _ string) { w.rewrap(t) },
		"with the old voucher": func(w *world, t *testing.T, old, _ string) {
			voucher, err := os.ReadFile(w.keyFile(old, ".jws"))
			must(t, err)
			w.rewrap(t)
			must(t, os.WriteFile(w.keyFile(old, ".jws"), voucher, 0o600))
		},
		"with the old key, unvouched": func(w *world, t *testing.T, old, _ string) {
			wrapped, err := os.ReadFile(w.keyFile(old, ".jwe"))
			must(t, err)
			w.rewrap(t)
			must(t, os.WriteFile(w.keyFile(old, ".jwe"), wrapped, 0o600))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.take(t, "main", store{{"a", "1"}})
			old := w.keys.Keys()[0].ID
			keys, now, err := w.keys.Add(backup.AlgA256KW)
			must(t, err)
			keys, err = keys.Retire(old, w.at.Add(time.Hour))
			must(t, err)
			wrapped, err := os.ReadFile(w.keyFile(old, ".jwe"))
			must(t, err)
			voucher, err := os.ReadFile(w.keyFile(old, ".jws"))
			must(t, err)
			w.reopen(t, keys)
			cut(w, t, old, now)
			if what == "with the voucher alone" { // it removes after it has added
				must(t, os.WriteFile(w.keyFile(old, ".jwe"), wrapped, 0o600))
				must(t, os.WriteFile(w.keyFile(old, ".jws"), voucher, 0o600))
			}
			if _, _, err := w.Key(); err != nil {
				t.Fatal("nobody opens it: ", err)
			}
			w.rewrap(t)
			if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
				t.Error(d)
			}
			if all, err := w.Recipients(); err != nil || len(all) != 1 || all[0].KID != now {
				t.Errorf("%v, %v", all, err)
			}
			if p, err := w.PlanRewrap(); err != nil || !p.None() {
				t.Errorf("it is not done: %+v, %v", p, err)
			}
		})
	}
}

func (w *world) keyFile(kid, end string) string { return filepath.Join(w.dir, "keys", kid+end) }

func (w *world) rewrap(t *testing.T) {
	t.Helper()
	w.under(t, func(lock *snapshot.Lock) {
		_, err := w.Rewrap(lock)
		must(t, err)
	})
}

// TestRemoveWhatIsLeft: of a removal that was cut the rest can be removed, and of nobody
// else anything.
func TestRemoveWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	escrow := backup.NewKeyring()
	for _, end := range []string{".jwe", ".jws"} {
		w.under(t, func(lock *snapshot.Lock) {
			kid, err := w.AddRecipient(lock, escrow)
			must(t, err)
			must(t, os.Remove(w.keyFile(kid, end)))
			if d := w.check(t, snapshot.CheckOptions{}); len(d) != 1 {
				t.Errorf("without %s: %v", end, d)
			}
			must(t, w.RemoveRecipient(lock, kid))
			if err := w.RemoveRecipient(lock, kid); !errors.Is(err, secret.NotFound) {
				t.Error(err)
			}
			if err := w.RemoveRecipient(lock, w.keys.Keys()[0].ID); !errors.Is(err, secret.Invalid) {
				t.Error(err)
			}
		})
		if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
			t.Error(d)
		}
	}
}
