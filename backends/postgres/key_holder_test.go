package postgres_test

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
)

// TestOpensUnder: whether a keyring opens the store goes by what the database holds
// now, which another gateway may have wrapped anew; and by what was read last, where
// the database does not answer.
func TestOpensUnder(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	first, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	next, _, err := first.Add(backup.AlgA256KW)
	if err == nil {
		next, err = next.Retire(first.Keys()[0].ID, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t, database)
	p.env.Keys = first
	p = p.made(t)
	proxy := server.NewProxy(t, 0)
	s := p.through(proxy, database).open(t)
	if _, err := postgres.Upgrade(t.Context(), backends.Env{Store: p.env.Store, Keys: next}, &p.config); err != nil {
		t.Fatal(err)
	}
	silent := func() { proxy.Arm("server_encoding", postgrestest.CutBefore) }
	for i, step := range []struct {
		silent bool
		keys   *backup.Keyring
		opens  bool
	}{{true, first, true}, {false, first, false}, {false, next, true}, {true, first, false}, {true, next, true}} {
		met := proxy.Met()
		if step.silent {
			silent()
		}
		if err := s.OpensUnder(t.Context(), step.keys); (err == nil) != step.opens {
			t.Errorf("step %d: %v", i, err)
		}
		if step.silent && proxy.Met() != met+1 {
			t.Errorf("step %d: the database answered", i)
		}
	}
	s.UseKeys(next)
	if found, err := s.Verify(t.Context()); err != nil || !found.Sound() {
		t.Errorf("under the next keyring: %v", err)
	}
}
