package events

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// twice returns records of as many versions that expired, each two times.
func twice(many secret.Ordinal, now time.Time) []Record {
	var all []Record
	for range 2 {
		for o := range many {
			all = append(all, Record{Event: "e", Type: VersionExpired, Time: now, Secret: "n", Version: o + 1})
		}
	}
	return all
}

// TestManyRecordsAtOnce: of what a store's expiries bring at once each counts
// once, and the newest are kept.
func TestManyRecordsAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	const many = 5_000
	more := twice(many, now)
	var l recordList
	if !l.merge(more, now) || l.merge(more, now) {
		t.Error("the second time makes a difference, or the first does not")
	}
	if got := l.records; len(got) < 80 || got[0].Version != many || got[1].Version != many-1 {
		t.Errorf("%d records are kept", len(got))
	}
}

// BenchmarkRecordsMerge is what a store's expiries cost that come at once: they
// are not to be compared each with each.
func BenchmarkRecordsMerge(b *testing.B) {
	now := time.Now()
	more := twice(50_000, now)
	for b.Loop() {
		var l recordList
		l.merge(more, now)
	}
}
