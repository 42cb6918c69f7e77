package bolt

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// FuzzRecordKey: no key makes the parsers panic, and what one accepts has that key.
func FuzzRecordKey(f *testing.F) {
	for _, k := range [][]byte{
		nil, []byte("a"), []byte("a\x00"), headKey("a"), attributesKey("a/b", 1), valueKey("a", 1<<62), uidKey("a", secret.UID{1}),
		append(headKey("a"), 0), append(prefix("a"), 0), append(prefix("a"), 9), uidKey("", secret.UID{}), attributesKey("a", 0),
	} {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, k []byte) {
		if p, ok := parseRecordKey(k); ok && !bytes.Equal(p.bytes(), k) {
			t.Errorf("%q is read as %+v, which is %q", k, p, p.bytes())
		}
		for _, s := range sources() {
			if p, ok := s.parse(k); ok && !bytes.HasPrefix(k, []byte(p.name)) {
				t.Errorf("%s: %q is read as that of %q", s.bucket, k, p.name)
			}
		}
	})
}

// TestOrder: the keys of a secret lie together, in the order of the names, the
// head before all and the newest version first.
func TestOrder(t *testing.T) {
	t.Parallel()
	var last []byte
	for _, name := range []secret.Name{"a", "a-b", "a/b", "ab", "b"} {
		keys := [][]byte{headKey(name), attributesKey(name, 1<<40), attributesKey(name, 256), attributesKey(name, 1), valueKey(name, 2), valueKey(name, 1), uidKey(name, secret.UID{})}
		for _, k := range keys {
			if bytes.Compare(last, k) >= 0 || bytes.Compare(prefix(name), k) >= 0 {
				t.Errorf("%q comes after %q", last, k)
			}
			last = k
		}
	}
}

// TestLargeValues: a value is found, renewed and purged whichever bucket it is
// in, and is in the one where it belongs.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	const most = inlineMax - sealed.SaltSize - sealed.TagSize - 1 // one byte is the form
	lengths := []int{0, 1, most, most + 1, 5000, 100000}
	path := filepath.Join(t.TempDir(), "s.db")
	s := storeAt(t, path)
	for _, n := range lengths {
		if _, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue(strings.Repeat("v", n))}); err != nil {
			t.Fatal(err)
		}
	}
	err := s.db.View(func(tx *bbolt.Tx) error {
		for i, n := range lengths {
			k := valueKey("s", secret.Ordinal(i+1))
			small, large := tx.Bucket(bucketSecrets).Get(k) != nil, tx.Bucket(bucketValues).Get(k) != nil
			if small == large || large != (n > most) {
				t.Errorf("%d bytes: beside the head: %v, among the large ones: %v", n, small, large)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, rewrite := range []func() error{
		func() error { return nil },
		func() error { _, _, err := Compact(t.Context(), path, plainKeys{}); return err },
		func() error { _, _, err := Rekey(t.Context(), path, plainKeys{}); return err },
	} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := rewrite(); err != nil {
			t.Fatal(err)
		}
		s = storeAt(t, path)
		all, err := s.Export(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range lengths {
			one, err := s.Get(t.Context(), "s", secret.ByUID(all.Versions[i].UID))
			if err != nil || one.Versions[0].Value.Len() != n || all.Versions[i].Value.Len() != n {
				t.Errorf("%d bytes: %v, or another value", n, err)
			}
		}
	}
}
