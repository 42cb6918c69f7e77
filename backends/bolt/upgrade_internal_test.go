package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// oldStore is a file of format 2 with "s", which has three versions, and "dead",
// which is deleted; tamper may change it.
func oldStore(t *testing.T, tamper func(tx *bbolt.Tx, s *Store) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	s := storeAt(t, path)
	for i, name := range []secret.Name{"s", "s", "s", "dead"} {
		d := secret.Draft{Value: secret.TextValue(strings.Repeat("x", i*2000)), UID: secret.UID{0: byte(i + 1)}}
		if _, err := s.Put(t.Context(), name, d); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Delete(t.Context(), "dead", time.Now())
	if err == nil {
		err = s.WriteState(t.Context(), "events", []byte(`{}`), "")
	}
	if err == nil {
		err = s.db.Update(func(tx *bbolt.Tx) error { return errors.Join(backdate(tx), tamper(tx, s)) })
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// backdate makes a file of format 2 of one of this.
func backdate(tx *bbolt.Tx) error {
	type old struct{ bucket, key, value []byte }
	var all []old
	err := contents(context.Background(), tx, format, func(r record) error {
		bucket, key := map[part]string{partHead: "heads", partAttributes: "versions", partValue: "values", partUID: "uids"}[r.place.part], prefix(r.place.name)
		switch r.place.part {
		case partHead:
			key = []byte(r.place.name)
			if bytes.Equal(r.bucket, bucketTrash) {
				bucket = "trash"
			}
		case partUID:
			key = append(key, r.place.uid[:]...)
		default:
			key = append(key, ordinalBytes(r.place.ordinal)...)
		}
		all = append(all, old{[]byte(bucket), key, bytes.Clone(r.value)})
		return nil
	})
	if err != nil {
		return err
	}
	for _, b := range [][]byte{bucketSecrets, bucketValues, bucketLive} {
		err = errors.Join(err, tx.DeleteBucket(b))
	}
	m, metaErr := parseMeta(tx.Bucket(bucketMeta).Get(keyMeta))
	if err := errors.Join(err, metaErr); err != nil {
		return err
	}
	for _, b := range []string{"heads", "versions", "values", "uids"} {
		_, newErr := tx.CreateBucket([]byte(b))
		err = errors.Join(err, newErr)
	}
	for _, r := range all {
		err = errors.Join(err, tx.Bucket(r.bucket).Put(r.key, r.value))
	}
	m.Format = 2
	return errors.Join(err, m.write(tx))
}

// TestUpgradeKeepsDamage: what is damaged in a file of an earlier format is no
// reason to keep the rest of it from being used, and stays as it is.
func TestUpgradeKeepsDamage(t *testing.T) {
	t.Parallel()
	version := func(o secret.Ordinal) []byte { return append(prefix("s"), ordinalBytes(o)...) }
	put := func(bucket string, key []byte, value string) func(*bbolt.Tx, *Store) error {
		return func(tx *bbolt.Tx, _ *Store) error { return tx.Bucket([]byte(bucket)).Put(key, []byte(value)) }
	}
	for what, c := range map[string]struct {
		tamper func(*bbolt.Tx, *Store) error
		want   string // of a damage
	}{
		"nothing":    {func(*bbolt.Tx, *Store) error { return nil }, ""},
		"a note":     {put("notes", []byte("events"), "x"), "the note"},
		"a value":    {put("values", version(2), "x"), "version 2: its value does not open"},
		"no value":   {func(tx *bbolt.Tx, _ *Store) error { return tx.Bucket([]byte("values")).Delete(version(2)) }, "version 2: its value is not there"},
		"attributes": {put("versions", version(2), "x"), "version 2: its attributes do not open"},
		"a head":     {put("heads", []byte("s"), "x"), "its own record does not open"},
		"an id":      {put("uids", append(prefix("s"), make([]byte, 16)...), "x"), "leads to a version that is not there"},
		"an older head in the trash": {func(tx *bbolt.Tx, s *Store) error {
			h := history.NewHead("s")
			h.Last, h.Secret.Current, h.Secret.Deleted = 9, 9, &secret.Deletion{At: time.Now()}
			p, err := s.headRecord(trash, h)
			return errors.Join(err, tx.Bucket(bucketTrash).Put([]byte("s"), p.value))
		}, "it is deleted and not deleted at once"},
		"two of one id": {func(tx *bbolt.Tx, s *Store) error {
			p, err := s.attributes("s", &secret.Version{Ordinal: 2, UID: secret.UID{0: 1}})
			return errors.Join(err, tx.Bucket([]byte("versions")).Put(version(2), p.value))
		}, "version 2 has no id of its own"},
	} {
		path := oldStore(t, c.tamper)
		s := storeAt(t, path)
		found, err := s.Verify(t.Context())
		if err != nil || found.Format != format || found.Secrets != 1 || found.Deleted < 1 {
			t.Errorf("%s: %+v, %v", what, found, err)
		}
		said := false
		for _, d := range found.Damage {
			said = said || strings.Contains(d.What, c.want)
		}
		if said != (c.want != "") {
			t.Errorf("%s: the damage is %v", what, found.Damage)
		}
		if _, err := s.Recover(t.Context(), "dead"); err != nil {
			t.Errorf("%s: Recover of another secret: %v", what, err)
		}
	}
}

// TestUpgradeTornMeta: the page that a loss of power tore is the one of two that
// bbolt can do without.
func TestUpgradeTornMeta(t *testing.T) {
	t.Parallel()
	path := oldStore(t, func(*bbolt.Tx, *Store) error { return nil })
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(os.Getpagesize())
	var tx [2]uint64
	for i := range tx {
		b := make([]byte, 8)
		if _, err := f.ReadAt(b, int64(i)*size+pageHeader+48); err != nil {
			t.Fatal(err)
		}
		tx[i] = binary.NativeEndian.Uint64(b)
	}
	older := int64(0)
	if tx[1] < tx[0] {
		older = 1
	}
	_, err = f.WriteAt([]byte{0xff}, older*size+pageHeader+56)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	found, err := storeAt(t, path).Verify(t.Context())
	if err != nil || !found.Sound() || found.Versions != 4 {
		t.Errorf("%+v, %v", found, err)
	}
}

// TestUpgradeRefuses: what cannot be carried over keeps the file as it is, and
// is told.
func TestUpgradeRefuses(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		tamper func(tx *bbolt.Tx, s *Store) error
		kind   secret.Kind
		want   string
	}{
		"a key that is none":        {func(tx *bbolt.Tx, _ *Store) error { return tx.Bucket([]byte("uids")).Put([]byte("s\x00"), []byte("x")) }, secret.Corrupt, "a key is none"},
		"a name that is none":       {func(tx *bbolt.Tx, _ *Store) error { return tx.Bucket([]byte("heads")).Put([]byte("a\nb"), []byte("x")) }, secret.Corrupt, "a key is none"},
		"a bucket that nobody made": {func(tx *bbolt.Tx, _ *Store) error { _, err := tx.CreateBucket(bucketSecrets); return err }, secret.Unsupported, `a bucket "secrets"`},
	} {
		path := oldStore(t, c.tamper)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), backends.Env{Store: "s", Keys: plainKeys{}}, &Config{Path: path})
		if secret.KindOf(err) != c.kind || !strings.Contains(secret.DetailOf(err), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		after, err := os.ReadFile(path)
		entries, _ := os.ReadDir(filepath.Dir(path))
		if err != nil || !bytes.Equal(before, after) || len(entries) != 1 {
			t.Errorf("%s: the file has changed, or something is left beside it", what)
		}
	}
}

// TestReplacedKeepsItsOwner: whoever could open a file can open the one that
// takes its place.
func TestReplacedKeepsItsOwner(t *testing.T) {
	t.Parallel()
	for what, replace := range map[string]func(path string) error{
		"upgrade": func(path string) error { storeAt(t, path); return nil },
		"compact": func(path string) error { _, _, err := Compact(t.Context(), path, plainKeys{}); return err },
		"restore": func(path string) error {
			r := &Restore{From: smallFile(t), MadeAs: "s", Keys: plainKeys{}, Replace: true, Now: time.Now()}
			_, err := r.Into(t.Context(), path)
			return err
		},
	} {
		path := oldStore(t, func(*bbolt.Tx, *Store) error { return nil })
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		want := os.Getuid()
		if want == 0 && os.Chown(path, 12345, 12346) == nil {
			want = 12345
		}
		if err := replace(path); err != nil {
			t.Fatal(what, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if have, ok := info.Sys().(*syscall.Stat_t); !ok || int(have.Uid) != want || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: it belongs to %d, of mode %o", what, have.Uid, info.Mode().Perm())
		}
	}
}
