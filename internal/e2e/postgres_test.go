package e2e

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
)

// schema is a store in a schema of its own, in the one database of these tests.
type schema struct {
	env    backends.Env
	config postgres.Config
}

var (
	schemas      atomic.Int64
	databaseOnce sync.Once
	database     string
)

// newSchema makes an empty store.
func newSchema(t testing.TB, name string) *schema {
	t.Helper()
	server := postgrestest.Shared(t)
	databaseOnce.Do(func() { database = server.NewDatabase(t) })
	s := &schema{env: backends.Env{Store: name, Keys: gatewaytest.NewKeyring(t)}}
	s.config.SetDefaults()
	s.config.DSN, s.config.Schema, s.config.MaxConnections = server.DSN(database), fmt.Sprintf("e2e%d", schemas.Add(1)), 4
	if _, err := postgres.Upgrade(t.Context(), s.env, &s.config); err != nil {
		t.Fatal(err)
	}
	return s
}

// open opens the store, as one gateway does.
func (s *schema) open(t testing.TB) backends.Backend {
	t.Helper()
	b, err := postgres.Open(t.Context(), s.env, &s.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}
