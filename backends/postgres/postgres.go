// Package postgres is a store in a schema of a PostgreSQL database, which any
// number of gateways share. No gateway leads: each is like any other, and may end
// at any moment.
//
// # At rest
//
// Rows hold sealed bytes: heads, attributes and values, under a data key of the
// store's own that the gateway's keyring wraps, each bound to its place. In clear
// stand what stands in clear in a file of package bolt: the names of secrets, how
// many versions they have and of what length, which are deleted, the UIDs, which
// records of the gateway there are, and the name that the store had when it was
// made. A dump of the database is a sealed backup.
//
// # Writes
//
// The state of a secret is its sealed head, and the salt of that names the state:
// no two are alike. Every write makes a new head, and takes effect if the head
// that it began from still stands. So a write is one statement where the gateway
// has met the head, and no lock outlives a statement, but where others write the
// same secret all the time. See commit for writes whose outcome is lost.
package postgres

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// Driver opens stores of kind "postgres".
var Driver = backends.Define("postgres", Open)

// MaxValue bounds one value, because it travels in one piece.
const MaxValue = 16 << 20

// Store is a backend in a database.
type Store struct {
	pool    *pgxpool.Pool
	schema  string
	sql     statements
	sealer  *sealed.Sealer
	keys    atomic.Pointer[backends.KeyWrapper]
	wrapped atomic.Pointer[meta] // as it was read last
	opKey   []byte               // under which operations are named
	name    string               // of the store, as its records are bound to
	clock   clock
	heads   headCache
	answers answers
	ends    ends
}

// Open connects, and refuses a schema that this release cannot use, and where
// the keyring does not open the store.
func Open(ctx context.Context, env backends.Env, c *Config) (backends.Backend, error) {
	if err := checkKeys(env.Keys); err != nil {
		return nil, err
	}
	pool, err := c.connect(ctx, c.user(), c.Password)
	if err != nil {
		return nil, err
	}
	s := &Store{ends: ends{certFile: c.certFile()}, pool: pool, schema: c.Schema, sql: newStatements(c.Schema)}
	s.UseKeys(env.Keys)
	s.answers.store = s
	if err := s.open(ctx); err != nil {
		pool.Close()
		return nil, failure("postgres.open", "", err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	m, _, err := s.checkSchema(ctx)
	if err != nil {
		return err
	}
	if s.sealer, err = m.open(*s.keys.Load()); err != nil {
		return err
	}
	s.name = m.name
	if s.opKey, err = s.sealer.Derive("operation"); err != nil {
		return err
	}
	s.askPasswordEnd(ctx)
	return s.askClock(ctx)
}

func (s *Store) askClock(ctx context.Context) error {
	sent := time.Now()
	var at time.Time
	if err := s.ask(ctx, func(q querier) error { return q.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&at) }); err != nil {
		return err
	}
	s.clock.observe(sent, at)
	return nil
}

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product: "PostgreSQL", MaxValue: MaxValue,
		AtomicCreate: true, AtomicImport: true, Fleet: true, Durable: true,
	}
}

// Check implements backends.Backend. It refuses a database that would forget what
// it has acknowledged.
func (s *Store) Check(ctx context.Context) error {
	return s.do(ctx, "postgres.check", "", func() error {
		backends.CountCall(ctx)
		_, db, err := s.checkSchema(ctx)
		if err == nil {
			s.askPasswordEnd(ctx)
			err = db.checkSafe()
		}
		if err == nil {
			err = s.askClock(ctx)
		}
		return err
	})
}

// Close implements backends.Backend. It waits for calls that have begun.
func (s *Store) Close() error {
	s.answers.close()
	s.pool.Close()
	return nil
}

// do makes f an operation of the store: it refuses what a check has refused, or
// whose caller has gone, and makes any error one of ours.
func (s *Store) do(ctx context.Context, op string, name secret.Name, f func() error, checks ...error) error {
	err := errors.Join(append(checks, ctx.Err())...)
	if err == nil {
		err = f()
	}
	if err != nil {
		return failure(op, name, err)
	}
	return nil
}
