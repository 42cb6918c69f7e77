package bolt

import "github.com/vaultferry/vaultferry/backends"

// Allocated is how many bytes of pages the store's transactions wrote so far.
func Allocated(b backends.Backend) int64 {
	s, ok := b.(*Store)
	if !ok {
		return 0
	}
	stats := s.db.Stats()
	return stats.TxStats.GetPageAlloc()
}
