package bolt

import (
	"bytes"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/secret"
)

// TestTrashTampered: whoever can write the file cannot recover a deleted
// secret, nor delete a live one, by moving its record.
func TestTrashTampered(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, name := range []secret.Name{"live", "dead"} {
		if _, err := s.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Delete(t.Context(), "dead", time.Now()); err != nil {
		t.Fatal(err)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		heads, trash := tx.Bucket(bucketSecrets), tx.Bucket(bucketTrash)
		if err := heads.Put(headKey("dead"), bytes.Clone(trash.Get([]byte("dead")))); err != nil {
			return err
		}
		return trash.Put([]byte("live"), bytes.Clone(heads.Get(headKey("live"))))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "dead", secret.Current); err == nil || secret.KindOf(err) != secret.Internal {
		t.Errorf("Get of what was moved out of the trash: %v", err)
	}
	if _, err := s.Recover(t.Context(), "live"); err == nil || secret.KindOf(err) != secret.Internal {
		t.Errorf("Recover of what was moved into the trash: %v", err)
	}
}
