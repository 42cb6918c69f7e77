//go:build unix

package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// replacements are what replaces a file, and the steps of each.
var replacements = []struct {
	op    string
	steps []string
}{
	{"compact", []string{"copied", "written", "checked", "renamed"}},
	{"rekey", []string{"copied", "written", "checked", "renamed"}},
	{"replace", []string{"copied", "written", "checked", "linked", "kept", "renamed"}},
	{"restore", []string{"copied", "written", "checked", "linked"}},
}

// childRenews does one of them and waits at a step to be killed. At the step
// "full" the disk is full instead.
func childReplaces(dir, op, step string) error {
	keys, err := keysIn(dir)
	if err != nil {
		return err
	}
	bolt.AtStep(func(s string) {
		if s == step {
			_, _ = fmt.Fprintln(os.Stdout, "at", s)
			select {}
		}
	})
	if step == "full" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(os.Stdout, "done", replace(context.Background(), dir, op, keys))
	return nil
}

func replace(ctx context.Context, dir, op string, keys *backup.Keyring) error {
	path := filepath.Join(dir, "s.db")
	r := &bolt.Restore{From: filepath.Join(dir, "copy.db"), MadeAs: "payments", Keys: keys, Now: time.Now()}
	var err error
	switch op {
	case "compact":
		_, _, err = bolt.Compact(ctx, path, keys)
	case "rekey":
		_, _, err = bolt.Rekey(ctx, path, keys)
	case "replace":
		r.Replace = true
		_, err = r.Into(ctx, path)
	case "restore":
		_, err = r.Into(ctx, filepath.Join(dir, "new.db"))
	}
	return err
}

// replaceFolder holds a keyring, a store that has the secret "newer", and a copy
// of it from before.
func replaceFolder(t *testing.T) (string, *backup.Keyring) {
	t.Helper()
	dir, keys := newFolder(t)
	path := filepath.Join(dir, "s.db")
	b := open(t, path, keys)
	stock(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "copy.db"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	b = open(t, path, keys)
	_, err = b.Put(t.Context(), "newer", secret.Draft{Value: secret.TextValue("x")})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	return dir, keys
}

// hasNewer looks into a store that must be whole.
func hasNewer(t *testing.T, path string, keys *backup.Keyring) bool {
	t.Helper()
	found, err := bolt.Verify(t.Context(), path, path, keys)
	if err != nil {
		t.Fatal(err)
	}
	if n := found.Secrets; n != 1 && n != 2 || found.Deleted != 1 || found.Records != 1 {
		t.Errorf("%s holds %+v", filepath.Base(path), found)
	}
	return found.Secrets == 2
}

// TestKillReplace: whatever step a file's replacement is killed at, the old or
// the new one stands whole, the same again completes it, and nothing is left.
func TestKillReplace(t *testing.T) {
	t.Parallel()
	for _, r := range replacements {
		for i, step := range r.steps {
			t.Run(r.op+"/"+step, func(t *testing.T) {
				t.Parallel()
				dir, keys := replaceFolder(t)
				cmd, out := start(t, "replace:"+r.op+":"+step, dir)
				line, err := bufio.NewReader(out).ReadString('\n')
				if line != "at "+step+"\n" {
					t.Fatalf("the child said %q, %v", line, err)
				}
				if err := errors.Join(cmd.Process.Kill()); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait() // it was killed
				last := i == len(r.steps)-1
				path := filepath.Join(dir, "s.db")
				if newer := hasNewer(t, path, keys); newer == (r.op == "replace" && last) {
					t.Errorf("killed at %q: the store that stands is the other one", step)
				}
				_, err = os.Stat(filepath.Join(dir, "new.db"))
				if stands := err == nil; stands != (r.op == "restore" && last) {
					t.Errorf("killed at %q: a new store stands: %v", step, stands)
				}
				err = replace(t.Context(), dir, r.op, keys)
				switch {
				case r.op == "restore" && last:
					wantOpenError(t, err, secret.AlreadyExists, "exists already")
				case err != nil:
					t.Errorf("the same again: %v", err)
				}
				verifyReplaced(t, dir, r.op, keys)
			})
		}
	}
}

func verifyReplaced(t *testing.T, dir, op string, keys *backup.Keyring) {
	t.Helper()
	path := filepath.Join(dir, "s.db")
	if op == "restore" {
		if hasNewer(t, filepath.Join(dir, "new.db"), keys) {
			t.Error("the restored store is not the copy")
		}
		return // what a crash left beside is removed by who has the store locked
	}
	if hasNewer(t, path, keys) == (op == "replace") {
		t.Error("the store is the other one")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		known := slices.Contains([]string{"keyring.json", "copy.db", "s.db"}, e.Name())
		if old := op == "replace" && strings.HasSuffix(e.Name(), ".old"); !known && !old {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// TestReplaceOnAFullDisk: it says so, and the old file stands.
func TestReplaceOnAFullDisk(t *testing.T) {
	t.Parallel()
	for _, r := range replacements {
		t.Run(r.op, func(t *testing.T) {
			t.Parallel()
			dir, keys := replaceFolder(t)
			cmd, out := start(t, "replace:"+r.op+":full", dir)
			line, err := bufio.NewReader(out).ReadString('\n')
			if err := errors.Join(err, cmd.Wait()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(line, "the new file cannot be written; the old one stands") {
				t.Errorf("it says %q", line)
			}
			if !hasNewer(t, filepath.Join(dir, "s.db"), keys) {
				t.Error("the store is another one")
			}
			only(t, dir, "copy.db", "keyring.json", "s.db")
		})
	}
}
