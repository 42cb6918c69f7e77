package backendtest

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
)

// otherKeys are those of a keyring. Without KeyWrapper they open nothing.
type otherKeys struct {
	backends.KeyWrapper
	opened atomic.Int64 // how often they were asked to
}

func (k *otherKeys) CanUnwrap() bool { return true }

func (k *otherKeys) UnwrapKey(wrapped []byte, of string) ([]byte, error) {
	k.opened.Add(1)
	if k.KeyWrapper == nil {
		return nil, errors.New("these keys did not wrap it")
	}
	return k.KeyWrapper.UnwrapKey(wrapped, of)
}

// testOtherKeys: a store that is sealed tells which keyring it could not be opened
// with, goes on meanwhile, and takes another one that opens it.
func testOtherKeys(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	holder, holds := b.(backends.KeyHolder)
	verifier, verifies := b.(backends.Verifier)
	if verifies {
		found, err := verifier.Verify(ctx)
		if err != nil {
			t.Fatalf("Verify: %v", checkErr(t, err))
		}
		if wraps := found.Key != ""; wraps != (h.Keys != nil) {
			t.Fatalf("what it finds names a key of the keyring: %v; the harness knows keys: %v", wraps, h.Keys != nil)
		}
	}
	if holds != (h.Keys != nil) {
		t.Fatalf("it is a KeyHolder: %v; the harness knows keys: %v", holds, h.Keys != nil)
	}
	if !holds {
		return
	}
	for what, keys := range map[string]backends.KeyWrapper{"no keys": nil, "other keys": new(otherKeys)} {
		if holder.OpensUnder(ctx, keys) == nil {
			t.Errorf("it would open under %s", what)
		}
	}
	put(ctx, t, b, "kept", text(canary+"kept"))
	want := export(ctx, t, b, "kept")
	same := &otherKeys{KeyWrapper: h.Keys(b)}
	if err := holder.OpensUnder(ctx, same); err != nil {
		t.Fatalf("it would not open under its own keys: %v", checkErr(t, err))
	}
	if same.opened.Load() == 0 {
		t.Error("whether it opens is said without trying")
	}
	holder.UseKeys(same)
	tried := same.opened.Load()
	if verifies {
		if _, err := verifier.Verify(ctx); err != nil {
			t.Errorf("Verify under the next keys: %v", checkErr(t, err))
		}
		if same.opened.Load() == tried {
			t.Error("it goes by the keys of before")
		}
	}
	Compare(t, want, export(ctx, t, b, "kept"), nil)
}
