package bolt

import (
	"testing"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
)

// Allocated is how many bytes of pages the store's transactions wrote so far.
func Allocated(b backends.Backend) int64 {
	s, ok := b.(*Store)
	if !ok {
		return 0
	}
	stats := s.db.Stats()
	return stats.TxStats.GetPageAlloc()
}

// Keys counts the records in the file.
func Keys(t *testing.T, s *Store) (n int) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			n += b.Stats().KeyN
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
