package postgres_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// keyring returns a real keyring; making one takes no time.
func keyring(t testing.TB) backends.KeyWrapper {
	t.Helper()
	k, err := backup.NewKeyringOf("A256KW")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var schemas atomic.Int64

// place is a schema of its own in a database of the shared server.
type place struct {
	config postgres.Config
	env    backends.Env
}

// newPlace returns a place with nothing in it. The database is shared where it is
// given.
func newPlace(t testing.TB, database string) place {
	t.Helper()
	server := postgrestest.Shared(t)
	if database == "" {
		database = server.NewDatabase(t)
	}
	p := place{env: backends.Env{Store: "payments", Keys: keyring(t)}}
	p.config.SetDefaults()
	p.config.DSN = server.DSN(database)
	p.config.Schema = fmt.Sprintf("s%d", schemas.Add(1))
	return p
}

// made is newPlace with an empty store in it.
func (p place) made(t testing.TB) place {
	t.Helper()
	if _, err := postgres.Upgrade(t.Context(), p.env, &p.config); err != nil {
		t.Fatalf("upgrade: %v", err)
	}
	return p
}

// open opens the store, as one gateway does.
func (p place) open(t testing.TB) *postgres.Store {
	t.Helper()
	b, err := postgres.Open(t.Context(), p.env, &p.config)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = b.Close() })
	s, ok := b.(*postgres.Store)
	if !ok {
		t.Fatalf("open returned a %T", b)
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	database := postgrestest.Shared(t).NewDatabase(t)
	var mu sync.Mutex
	places := map[backends.Backend]place{}
	backendtest.Run(t, backendtest.Harness{
		Open: func(t *testing.T) backends.Backend {
			p := newPlace(t, database).made(t)
			b := p.open(t)
			mu.Lock()
			defer mu.Unlock()
			places[b] = p
			return b
		},
		Reopen: func(t *testing.T, b backends.Backend) backends.Backend {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			return places[b].open(t)
		},
		Keys: func(b backends.Backend) backends.KeyWrapper {
			mu.Lock()
			defer mu.Unlock()
			return places[b].env.Keys
		},
	})
}
