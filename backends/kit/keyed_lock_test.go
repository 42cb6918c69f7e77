package kit

import (
	"context"
	"fmt"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestKeyedLockIsOfNames: a long write to one name keeps no other waiting, and
// nothing is left of a turn that nobody needs.
func TestKeyedLockIsOfNames(t *testing.T) {
	t.Parallel()
	var l KeyedLock
	release, err := l.Lock(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Lock(ctx, "s"); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("a turn that is held: %v", err)
	}
	for i := range 1000 {
		other, err := l.Lock(t.Context(), secret.Name(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		other()
	}
	release()
	if len(l.held) != 0 {
		t.Errorf("%d turns are left", len(l.held))
	}
}
