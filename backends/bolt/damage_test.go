package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// TestDamagedRecords: each damage is told, of the secret that has it.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	del := func(bucket, key []byte) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Delete(key) }
	}
	set := func(bucket, key []byte, value string) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(key, []byte(value)) }
	}
	swap := func(bucket, one, two []byte) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return exchange(tx.Bucket(bucket), one, two) }
	}
	const a, b, dead = secret.Name("a"), secret.Name("b"), secret.Name("dead")
	uid := func(o byte) secret.UID { return secret.UID{0: o, 1: 0, 15: 1} }
	for what, c := range map[string]struct {
		tamper func(*bbolt.Tx) error
		want   []string // "NAME: WHAT"
	}{
		"heads swapped":      {swap(bucketSecrets, headKey(a), headKey(b)), []string{"a: its own record does not open", "b: its own record does not open"}},
		"values swapped":     {swap(bucketSecrets, valueKey(a, 1), valueKey(b, 1)), []string{"a: version 1: its value does not open", "b: version 1: its value does not open"}},
		"own values swapped": {swap(bucketSecrets, valueKey(a, 1), valueKey(a, 2)), []string{"a: version 1: its value does not open", "a: version 2: its value does not open"}},
		"attributes swapped": {swap(bucketSecrets, attributesKey(a, 1), attributesKey(b, 1)), []string{"a: version 1: its attributes do not open", "b: version 1: its attributes do not open"}},
		"ids swapped":        {swap(bucketSecrets, uidKey(a, uid(1)), uidKey(a, uid(2))), []string{"a: the id " + uid(1).String() + " leads to another version than 1", "a: the id " + uid(2).String() + " leads to another version than 2"}},
		"id gone":            {del(bucketSecrets, uidKey(a, uid(2))), []string{"a: version 2 is not found by its id"}},
		"id too many":        {set(bucketSecrets, uidKey(a, uid(9)), "\x00\x00\x00\x00\x00\x00\x00\x01"), []string{"a: the id " + uid(9).String() + " leads to a version that is not there"}},
		"id nowhere":         {set(bucketSecrets, uidKey(a, uid(1)), "x"), []string{"a: the id " + uid(1).String() + " leads nowhere"}},
		"value gone":         {del(bucketSecrets, valueKey(a, 1)), []string{"a: version 1: its value is not there"}},
		"value too many":     {set(bucketSecrets, valueKey(a, 7), "x"), []string{"a: version 7: there is a value and nothing else"}},
		"value of a missing": {set(bucketSecrets, valueKey(b, 2), "x"), []string{"b: version 2 says that it has no value, and there is one"}},
		"head gone":          {del(bucketSecrets, headKey(a)), []string{"a: there is no secret of this name, only what belongs to one"}},
		"head in the open":   {set(bucketSecrets, headKey(a), `{"last":3}`), []string{"a: its own record does not open"}},
		"attributes gone":    {del(bucketSecrets, attributesKey(a, 3)), []string{"a: version 3: there is a value and nothing else", "a: the id " + uid(3).String() + " leads to a version that is not there", "a: version 3 is the current one, and is not there", "a: a label is on version 3, which is not there"}},
		"previous gone":      {del(bucketSecrets, attributesKey(a, 2)), []string{"a: version 2: there is a value and nothing else", "a: the id " + uid(2).String() + " leads to a version that is not there", "a: version 2 is the previous one, and is not there"}},
		"version zero":       {set(bucketSecrets, attributesKey(a, 0), "x"), []string{"a: a version has the number 0"}},
		"live and dead":      {set(bucketTrash, []byte(a), "x"), []string{"a: it is deleted and not deleted at once", "a: its own record does not open"}},
		"out of the trash": {func(tx *bbolt.Tx) error {
			return errors.Join(set(bucketSecrets, headKey(dead), string(tx.Bucket(bucketTrash).Get([]byte(dead))))(tx), set(bucketLive, []byte(dead), "")(tx), del(bucketTrash, []byte(dead))(tx))
		}, []string{"dead: its own record does not open"}},
		"state in the open":     {set(bucketState, []byte("events"), `{}`), []string{`: the gateway's record "events" does not open`}},
		"state under a bad key": {set(bucketState, []byte("Events"), `{}`), []string{`: records of the gateway: a key is none: "Events"`}},
		"key of a version cut":  {set(bucketSecrets, []byte("a\x00\x021"), "x"), []string{`: secrets: a key is none: "a"`}},
		"key of no part":        {set(bucketSecrets, append(prefix(a), 9), "x"), []string{`: secrets: a key is none: "a"`}},
		"key without a part":    {set(bucketSecrets, []byte(a), "x"), []string{`: secrets: a key is none: "a"`}},
		"version in the trash":  {set(bucketTrash, attributesKey(a, 1), "x"), []string{`: trash: a key is none: "a"`}},
		"not listed":            {del(bucketLive, []byte(a)), []string{"a: it is not in the list of secrets"}},
		"deleted and listed":    {set(bucketLive, []byte(dead), ""), []string{"dead: it is deleted, and in the list of secrets"}},
		"listed and not there":  {set(bucketLive, []byte("c"), ""), []string{"c: there is no secret of this name, only what belongs to one"}},
		"head among values":     {set(bucketValues, headKey(a), "x"), []string{`: values: a key is none: "a"`}},
		"value twice":           {set(bucketValues, valueKey(a, 1), "x"), []string{"a: version 1 has two values"}},
		"name is none":          {set(bucketSecrets, headKey("a\nb"), "x"), []string{`: secrets: a key is none: "a\nb"`}},
		"bucket among records":  {func(tx *bbolt.Tx) error { _, err := tx.Bucket(bucketState).CreateBucket([]byte("x")); return err }, []string{": state: there is a bucket where a record belongs"}},
		"bucket gone":           {func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketTrash) }, []string{`: there is no bucket "trash"`, "dead: there is no secret of this name, only what belongs to one"}},
		"unknown beside meta":   {set(bucketMeta, []byte("x"), "x"), []string{": an unknown record beside the one that describes the file"}},
		"bucket of a later day": {func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("later")); return err }, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			for i, name := range []secret.Name{a, a, a, b, b, dead} {
				d := secret.Draft{UID: uid(byte(i + 1)), Value: secret.TextValue("x")}
				if name == a {
					d.Stages = []string{"blue"}
				}
				if i == 4 {
					d.Value, d.Missing = secret.Value{}, secret.Destroyed
				}
				if _, err := s.Put(t.Context(), name, d); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.Delete(t.Context(), dead, time.Now())
			if err := errors.Join(err, s.WriteState(t.Context(), "events", []byte("{}"), ""), s.db.Update(c.tamper)); err != nil {
				t.Fatal(err)
			}
			found, err := s.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range found.Damage {
				got = append(got, d.Name+": "+d.What)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, want) }) {
					t.Errorf("it is not said that %s", want)
				}
			}
			if len(c.want) == 0 && len(got) > 0 || what != "bucket gone" && len(got) > len(c.want) {
				t.Errorf("said: %q", got)
			}
		})
	}
}

// TestOlderRecords: an older record in the place of a newer one is found where
// the others do not fit it. Where they do, nobody can tell: this test says so
// as well, for the documents do.
func TestOlderRecords(t *testing.T) {
	t.Parallel()
	record := func(s *Store, bucket, key []byte) (out []byte) {
		_ = s.db.View(func(tx *bbolt.Tx) error {
			out = bytes.Clone(tx.Bucket(bucket).Get(key))
			return nil
		})
		return out
	}
	put := func(s *Store) error {
		_, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
		return err
	}
	mark := func(s *Store) error {
		text := "marked"
		_, err := s.Update(t.Context(), "s", secret.Current, secret.Patch{ContentType: &text})
		return err
	}
	for what, c := range map[string]struct {
		bucket, key []byte
		newer       func(*Store) error
		want        string
	}{
		"head before a version":       {bucketSecrets, headKey("s"), put, "version 2 stands, and its own record knows 1 alone: an older record stands in the place of a newer one"},
		"head before an update":       {bucketSecrets, headKey("s"), mark, ""},
		"attributes before an update": {bucketSecrets, attributesKey("s", 1), mark, ""},
	} {
		s := newStore(t)
		if err := put(s); err != nil {
			t.Fatal(err)
		}
		old := record(s, c.bucket, c.key)
		if err := c.newer(s); err != nil {
			t.Fatal(err)
		}
		err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(c.bucket).Put(c.key, old) })
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.Verify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if !found.Sound() {
			got = found.Damage[0].What
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

// TestForgedRecords: records that open in their own places, and yet cannot have
// been written, are told.
func TestForgedRecords(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		tamper func(tx *bbolt.Tx, s *Store) error
		want   string
	}{
		"a head in the trash beside the live one": {func(tx *bbolt.Tx, s *Store) error {
			h := history.NewHead("s")
			h.Last, h.Secret.Current, h.Secret.Deleted = 9, 9, &secret.Deletion{At: time.Now()}
			p, err := headPut(s.sealer.Batch(), trashHeads, h)
			return errors.Join(err, apply(tx, []put{p}))
		}, "it is deleted and not deleted at once"},
		"two versions of one id": {func(tx *bbolt.Tx, s *Store) error {
			p, err := attributesPut(s.sealer.Batch(), "s", &secret.Version{Ordinal: 2, UID: secret.UID{0: 1}})
			return errors.Join(err, apply(tx, []put{p}))
		}, "version 2 has no id of its own"},
	} {
		s := newStore(t)
		for i := range 3 {
			d := secret.Draft{Value: secret.TextValue("x"), UID: secret.UID{0: byte(i + 1)}}
			if _, err := s.Put(t.Context(), "s", d); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.db.Update(func(tx *bbolt.Tx) error { return c.tamper(tx, s) }); err != nil {
			t.Fatal(err)
		}
		found, err := s.Verify(t.Context())
		if err != nil || !slices.ContainsFunc(found.Damage, func(d backends.Damage) bool { return d.Name == "s" && d.What == c.want }) {
			t.Errorf("%s: %+v, %v", what, found, err)
		}
	}
}

// TestOtherFormat: a file of another format is refused, and the error says what
// to do.
func TestOtherFormat(t *testing.T) {
	t.Parallel()
	for _, other := range []int{0, format + 1, format + 2} {
		s := newStore(t)
		path := s.db.Path()
		err := s.db.Update(func(tx *bbolt.Tx) error {
			m, err := readMeta(tx)
			if err != nil {
				return err
			}
			m.Format = other
			return m.write(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("the file has format %d, and this release reads format %d alone; start the release that wrote it, or move its secrets", other, format)
		_, opened := Open(t.Context(), backends.Env{Store: "s", Keys: plainKeys{}}, &Config{Path: path})
		_, verified := VerifyFile(t.Context(), path, plainKeys{})
		_, _, compacted := Compact(t.Context(), path, plainKeys{})
		for what, err := range map[string]error{"open": opened, "verify": verified, "compact": compacted} {
			if secret.KindOf(err) != secret.Invalid || !strings.Contains(secret.DetailOf(err), want) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// TestTornMeta: the page that a loss of power tore is the one of two that bbolt
// can do without. The store serves, and a check of the closed file tells of it.
func TestTornMeta(t *testing.T) {
	t.Parallel()
	path := smallFile(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(os.Getpagesize())
	var tx [2]uint64
	for i := range tx { // behind the header of 16 bytes: number of the transaction at 48, checksum at 56
		b := make([]byte, 8)
		if _, err := f.ReadAt(b, int64(i)*size+16+48); err != nil {
			t.Fatal(err)
		}
		tx[i] = binary.NativeEndian.Uint64(b)
	}
	older := int64(0)
	if tx[1] < tx[0] {
		older = 1
	}
	_, err = f.WriteAt([]byte{0xff}, older*size+16+56)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	closed := verified(t, path)
	if closed.Sound() || !strings.Contains(closed.Damage[0].What, fmt.Sprintf("meta page %d", older)) {
		t.Errorf("closed: %+v", closed)
	}
	open, err := storeAt(t, path).Verify(t.Context())
	if err != nil || !open.Sound() || open.Versions != closed.Versions || open.Versions == 0 {
		t.Errorf("open: %+v, %v", open, err)
	}
}

// TestLostPage: what bbolt does with a number that leads to where no memory is
// ends the call and not the program.
func TestLostPage(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	fillSecrets(t, s, 200)
	for i := range 2 {
		_, at := branchEntry(t, s, i)
		if _, err := s.file.WriteAt(binary.NativeEndian.AppendUint64(nil, 1<<20), at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(t.Context(), manyName(0), secret.Current); secret.KindOf(err) != secret.Internal || secret.DetailOf(err) != "" {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.List(t.Context(), secret.Query{}); secret.KindOf(err) != secret.Internal {
		t.Errorf("List: %v", err)
	}
	found, err := s.Verify(t.Context())
	if err != nil || found.Sound() {
		t.Errorf("Verify: %v, %v", found, err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a write went on")
			}
		}()
		_, _ = s.Put(t.Context(), manyName(0), secret.Draft{Value: secret.TextValue("x")})
	}()
}

// branchEntry reads entry i of the page that the bucket of secrets begins with,
// which is a branch: its key, and where in the file the number of its child is.
func branchEntry(t testing.TB, s *Store, i int) (key []byte, child int64) {
	t.Helper()
	page := make([]byte, s.db.Info().PageSize)
	err := s.db.View(func(tx *bbolt.Tx) error {
		child = int64(tx.Bucket(bucketSecrets).Root()) * int64(len(page))
		_, err := s.file.ReadAt(page, child)
		return err
	})
	if isBranch := page[8] == 1; err != nil || !isBranch {
		t.Fatalf("it is no branch, %v", err)
	}
	at := 16 + 16*i // after the header; position and length of the key, and the child
	from := at + int(binary.NativeEndian.Uint32(page[at:]))
	return page[from : from+int(binary.NativeEndian.Uint32(page[at+4:]))], child + int64(at) + 8
}

// TestOtherKeyring: a keyring that does not open the file is no damage.
func TestOtherKeyring(t *testing.T) {
	t.Parallel()
	_, err := VerifyFile(t.Context(), smallFile(t), noKeys{})
	if secret.KindOf(err) != secret.Invalid || !strings.Contains(secret.DetailOf(err), "another one") {
		t.Errorf("Verify: %v", err)
	}
}

type noKeys struct{ plainKeys }

func (noKeys) UnwrapKey([]byte, string) ([]byte, error) { return nil, sealed.ErrUnseal }

// TestNoStoreToVerify: what is no store is refused and not changed.
func TestNoStoreToVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for what, content := range map[string]string{"empty": "", "text": strings.Repeat("no store\n", 9000), "zeros": strings.Repeat("\x00", 1<<16)} {
		path := filepath.Join(dir, what)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := VerifyFile(t.Context(), path, plainKeys{})
		if secret.KindOf(err) != secret.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := VerifyFile(t.Context(), filepath.Join(dir, "absent"), plainKeys{}); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("absent: %v", err)
	}
}

// TestInterrupted: a caller who leaves ends what goes through the store.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	small(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	w := &leaver{leave: cancel}
	if err := s.Snapshot(ctx, w); !errors.Is(err, context.Canceled) || w.n > 2 {
		t.Errorf("Snapshot: %v, after %d writes", err, w.n)
	}
	if _, err := s.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
}

type leaver struct {
	leave func()
	n     int
}

func (l *leaver) Write(b []byte) (int, error) {
	l.n++
	l.leave()
	return len(b), nil
}
