package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/secret"
)

// snapshotFile is a copy of a store, taken while it is open.
func snapshotFile(t testing.TB, keys backends.KeyWrapper) string {
	t.Helper()
	b := open(t, filepath.Join(t.TempDir(), "s.db"), keys)
	stock(t, b)
	file := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Snapshot(t.Context(), f), f.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRestore(t *testing.T) {
	t.Parallel()
	keys := keyring(t)
	r := &bolt.Restore{From: snapshotFile(t, keys), MadeAs: "payments", Keys: keys, Now: time.Unix(1700000000, 0)}
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")

	r.DryRun = true
	if out, err := r.Into(t.Context(), path); err != nil || out.Findings.Secrets != 1 || out.Findings.Deleted != 1 {
		t.Fatalf("dry run: %+v, %v", out, err)
	}
	only(t, dir)
	r.DryRun = false
	if out, err := r.Into(t.Context(), path); err != nil || out.Old != "" {
		t.Fatalf("%+v, %v", out, err)
	}
	only(t, dir, "s.db")
	b := open(t, path, keys)
	wantStock(t, b)
	_, err := b.Put(t.Context(), "newer", secret.Draft{Value: secret.TextValue("x")})
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}

	_, err = r.Into(t.Context(), path)
	wantOpenError(t, err, secret.AlreadyExists, "exists already")
	r.Replace = true
	out, err := r.Into(t.Context(), path)
	if err != nil || out.Old != path+".20231114T221320.000Z.old" {
		t.Fatalf("%+v, %v", out, err)
	}
	only(t, dir, "s.db", filepath.Base(out.Old))
	wantStock(t, open(t, path, keys))
	if _, err := open(t, out.Old, keys).Get(t.Context(), "newer", secret.Current); err != nil {
		t.Errorf("the old store was not kept: %v", err)
	}
}

// TestRestoreRefuses: what is torn, or another store, takes no place.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	keys := keyring(t)
	sound := snapshotFile(t, keys)
	data, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bent := file("bent", data)
	bolt.Damage(t, bent, "live")
	held := file("held", data)
	open(t, held, keys)
	looked := file("looked at", data) // by a check or a copy, or by a restore as this one
	look, err := os.Open(looked)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = look.Close() })
	if err := osfile.TryShare(look); err != nil {
		t.Fatal(err)
	}
	kept := file("kept", data)
	for what, c := range map[string]struct {
		r    bolt.Restore
		path string // default: none stands
		kind secret.Kind
		word string
	}{
		"torn":     {r: bolt.Restore{From: file("torn", data[:len(data)-os.Getpagesize()])}, kind: secret.Corrupt, word: "cut short"},
		"bent":     {r: bolt.Restore{From: bent}, kind: secret.Corrupt, word: bent + ` is damaged: "live"`},
		"empty":    {r: bolt.Restore{From: file("empty", nil)}, kind: secret.Invalid, word: "no store of this program"},
		"absent":   {r: bolt.Restore{From: bent + "?"}, kind: secret.Unavailable, word: "cannot be opened"},
		"another":  {r: bolt.Restore{From: sound, MadeAs: "people"}, kind: secret.Invalid, word: `made as store "payments", not "people"`},
		"key":      {r: bolt.Restore{From: sound, Keys: keyring(t)}, kind: secret.Invalid, word: "another one"},
		"held":     {r: bolt.Restore{From: sound, Replace: true}, path: held, kind: secret.Unavailable, word: "held by another process"},
		"looked":   {r: bolt.Restore{From: sound, Replace: true}, path: looked, kind: secret.Unavailable, word: "held by another process"},
		"in use":   {r: bolt.Restore{From: held}, kind: secret.Unavailable, word: "held by another process"},
		"kept bad": {r: bolt.Restore{From: bent, Replace: true}, path: kept, kind: secret.Corrupt, word: "is damaged"},
		"old name": {r: bolt.Restore{From: sound, Replace: true}, path: oldTaken(t, data), kind: secret.Unavailable, word: "nothing was done"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := c.path
			if path == "" {
				path = filepath.Join(t.TempDir(), "s.db")
			}
			before, _ := os.ReadFile(path)
			entries, _ := os.ReadDir(filepath.Dir(path))
			if c.r.MadeAs == "" {
				c.r.MadeAs = "payments"
			}
			if c.r.Keys == nil {
				c.r.Keys = keys
			}
			_, err := c.r.Into(t.Context(), path)
			wantOpenError(t, err, c.kind, c.word)
			after, _ := os.ReadFile(path)
			left, _ := os.ReadDir(filepath.Dir(path))
			if !bytes.Equal(before, after) || len(left) != len(entries) {
				t.Errorf("something was done: %v", left)
			}
		})
	}
}

// oldTaken is a store beside which stands what the old one is to be called.
func oldTaken(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	for _, p := range []string{path, path + ".00010101T000000.000Z.old"} {
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// TestSnapshotClosed: a store that nobody has open is copied as well.
func TestSnapshotClosed(t *testing.T) {
	t.Parallel()
	keys := keyring(t)
	path := stockFile(t, keys)
	var b bytes.Buffer
	if err := bolt.Snapshot(t.Context(), path, &b); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	copied := open(t, file, keys)
	wantStock(t, copied)
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, keys)
	err := bolt.Snapshot(t.Context(), path, &b)
	wantOpenError(t, err, secret.Unavailable, "held by another process")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bolt.Snapshot(ctx, file, &b); !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller left: %v", err)
	}
}
