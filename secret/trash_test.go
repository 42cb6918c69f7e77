package secret_test

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// TestOver: what is live, or has no date to go at, is never over.
func TestOver(t *testing.T) {
	t.Parallel()
	purge := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for what, c := range map[string]struct {
		d    *secret.Deletion
		now  time.Time
		over bool
	}{
		"live":            {nil, purge, false},
		"no date":         {&secret.Deletion{At: purge}, purge.AddDate(100, 0, 0), false},
		"before":          {&secret.Deletion{Purge: purge}, purge.Add(-1), false},
		"the very moment": {&secret.Deletion{Purge: purge}, purge, true},
		"after":           {&secret.Deletion{Purge: purge}, purge.Add(1), true},
		"another zone":    {&secret.Deletion{Purge: purge}, purge.In(time.FixedZone("far", -9*3600)), true},
	} {
		if got := c.d.Over(c.now); got != c.over {
			t.Errorf("%s: over is %v", what, got)
		}
	}
}

// TestCloneOfDeletion: a copy can be recovered without its source.
func TestCloneOfDeletion(t *testing.T) {
	t.Parallel()
	s := &secret.Secret{Deleted: &secret.Deletion{At: time.Unix(1, 0)}}
	c := s.Clone()
	c.Deleted.At = time.Unix(2, 0)
	if !s.Deleted.At.Equal(time.Unix(1, 0)) {
		t.Error("a copy shares its deletion with its source")
	}
}
