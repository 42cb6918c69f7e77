package bolt

import (
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/secret"
)

// TestDamagedPages: where the index of UIDs leads elsewhere, a page says so, and
// neither leaves a version out nor shows one in the place of another.
func TestDamagedPages(t *testing.T) {
	t.Parallel()
	uid := func(o byte) secret.UID { return secret.UID{0: o} }
	for what, tamper := range map[string]func(*bbolt.Bucket) error{
		"ids swapped":     func(b *bbolt.Bucket) error { return exchange(b, uidKey("s", uid(1)), uidKey("s", uid(2))) },
		"id too many":     func(b *bbolt.Bucket) error { return b.Put(uidKey("s", uid(9)), ordinalBytes(1)) },
		"id nowhere":      func(b *bbolt.Bucket) error { return b.Put(uidKey("s", uid(2)), []byte("x")) },
		"attributes gone": func(b *bbolt.Bucket) error { return b.Delete(attributesKey("s", 2)) },
		"another's":       func(b *bbolt.Bucket) error { return exchange(b, attributesKey("s", 2), attributesKey("s2", 1)) },
	} {
		s := newStore(t)
		for i := range byte(3) {
			if _, err := s.Put(t.Context(), "s", secret.Draft{UID: uid(i + 1), Value: secret.TextValue("x")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Put(t.Context(), "s2", secret.Draft{Value: secret.TextValue("x")}); err != nil {
			t.Fatal(err)
		}
		if err := s.db.Update(func(tx *bbolt.Tx) error { return tamper(tx.Bucket(bucketSecrets)) }); err != nil {
			t.Fatal(err)
		}
		_, err := s.DescribePart(t.Context(), "s", secret.Part{ByUID: true})
		if err == nil || errors.Is(err, secret.NotFound) || secret.KindOf(err) != secret.Internal {
			t.Errorf("%s: %v", what, err)
		}
	}
}
