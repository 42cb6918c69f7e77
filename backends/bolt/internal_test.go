package bolt

import (
	"path/filepath"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
)

// plainKeys wraps nothing: these tests look at what stands beyond the key.
type plainKeys struct{}

func (plainKeys) WrapKey(k []byte, _ string) ([]byte, error)   { return k, nil }
func (plainKeys) UnwrapKey(k []byte, _ string) ([]byte, error) { return k, nil }
func (plainKeys) CanUnwrap() bool                              { return true }
func (plainKeys) WrappedBy([]byte) string                      { return "plain" }

func newStore(t testing.TB) *Store {
	t.Helper()
	return storeAt(t, filepath.Join(t.TempDir(), "s.db"))
}

// storeAt opens a store, which the test may close.
func storeAt(t testing.TB, path string) *Store {
	t.Helper()
	b, err := Open(t.Context(), backends.Env{Store: "s", Keys: plainKeys{}}, &Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	s, ok := b.(*Store)
	if !ok {
		t.Fatal("Open returns another type")
	}
	return s
}
