package bolt

import (
	"bytes"
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/secret"
)

// TestTampered: records that were moved or exchanged in the file are refused,
// and the client is told nothing.
func TestTampered(t *testing.T) {
	t.Parallel()
	for what, tamper := range map[string]func(*bbolt.Tx) error{
		"values exchanged": func(tx *bbolt.Tx) error {
			return exchange(tx.Bucket(bucketSecrets), valueKey("s", 1), valueKey("s", 2))
		},
		"attributes exchanged": func(tx *bbolt.Tx) error {
			return exchange(tx.Bucket(bucketSecrets), attributesKey("s", 1), attributesKey("s", 2))
		},
		"secrets exchanged": func(tx *bbolt.Tx) error { return exchange(tx.Bucket(bucketSecrets), headKey("s"), headKey("t")) },
		"value gone":        func(tx *bbolt.Tx) error { return tx.Bucket(bucketSecrets).Delete(valueKey("s", 2)) },
		"value cut":         func(tx *bbolt.Tx) error { return tx.Bucket(bucketSecrets).Put(valueKey("s", 2), []byte("x")) },
		"head in the open":  func(tx *bbolt.Tx) error { return tx.Bucket(bucketSecrets).Put(headKey("s"), []byte(`{"last":2}`)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			for _, name := range []secret.Name{"s", "s", "t"} {
				if _, err := s.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("x")}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.db.Update(tamper); err != nil {
				t.Fatal(err)
			}
			_, err := s.Export(t.Context(), "s")
			if err == nil || secret.KindOf(err) != secret.Internal || secret.DetailOf(err) != "" {
				t.Errorf("Export: %v, detail %q", err, secret.DetailOf(err))
			}
		})
	}
}

// TestIndexTampered: a UID that was pointed at another version does not bring
// out that version's value.
func TestIndexTampered(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var uids []secret.UID
	for range 2 {
		got, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
		if err != nil {
			t.Fatal(err)
		}
		uids = append(uids, got.Versions[0].UID)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return exchange(tx.Bucket(bucketSecrets), uidKey("s", uids[0]), uidKey("s", uids[1]))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "s", secret.ByUID(uids[0])); err == nil || secret.KindOf(err) != secret.Internal {
		t.Errorf("Get: %v", err)
	}
}

func exchange(b *bbolt.Bucket, one, two []byte) error {
	v1, v2 := bytes.Clone(b.Get(one)), bytes.Clone(b.Get(two))
	return errors.Join(b.Put(one, v2), b.Put(two, v1))
}
