package gateway

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// TestManyRecordsAtOnce: what a store's expiries bring at once is not compared
// each with each.
func TestManyRecordsAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	const many = 50_000
	more := make([]Record, 0, 2*many)
	for range 2 {
		for o := range secret.Ordinal(many) {
			more = append(more, Record{Event: "e", Type: VersionExpired, Time: now, Secret: "n", Version: o + 1})
		}
	}
	var n recordsNote
	start := time.Now()
	if !n.merge(more, now) || n.merge(more, now) {
		t.Error("the second time makes a difference, or the first does not")
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := n.records; len(got) < 80 || got[0].Version != many || got[1].Version != many-1 {
		t.Errorf("%d records are kept", len(got))
	}
}
