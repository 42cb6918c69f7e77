// Package bolt is a durable store in one file, for one process.
//
// The file is a bbolt database. A write is acknowledged after fsync, so it
// outlives the end of the process at any moment.
//
// # At rest
//
// A data key of the file's own, wrapped by the gateway's keyring, seals every
// record. In clear stand only the names of secrets, how many versions they
// have and of what length, which are deleted, the UIDs, which records of the gateway there are,
// and the name that the store had when the file was made. Description, tags,
// stages, states, times and all the rest are sealed like the values, for any of
// them may hold something private.
//
// Whoever can write the file can put an older copy of it, or of one record, in
// place of a newer one: sealing proves where a record belongs, not how old it is.
//
// # As a whole
//
// Snapshot copies a store and Verify looks through one, open or not. Compact,
// Rekey and Restore put a new file in the place of the old one, which nobody
// may have open.
package bolt

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// Driver opens stores of kind "bolt".
var Driver = backends.Define("bolt", Open)

// Config is the section `bolt` of a store: one encrypted file beside the gateway.
type Config struct {
	// Path is the file, which is made if it is missing; its folder must exist.
	Path string `mapstructure:"path" path:"true" loaded:"false" required:"true" example:"data/payments.db"`
}

// SetDefaults implements backends.Config.
func (*Config) SetDefaults() {}

// Validate implements backends.Config.
func (c *Config) Validate() error {
	if c.Path == "" {
		return errors.New("path: missing")
	}
	return nil
}

// MaxValue bounds one value, because bbolt handles it in one piece.
const MaxValue = 16 << 20

// Store is a backend in one file.
type Store struct {
	db     *bbolt.DB
	file   *os.File // that db reads and writes
	sealer *sealed.Sealer
	keys   atomic.Pointer[backends.KeyWrapper]
	now    func() time.Time
	writes *groupCommit
}

// Open opens the file, or makes it. It fails within two seconds where another
// process holds it, and where the keyring cannot open its data key.
func Open(ctx context.Context, env backends.Env, c *Config) (backends.Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, failure("bolt.open", "", err)
	}
	if err := checkKeys(c.Path, env.Keys); err != nil {
		return nil, err
	}
	db, m, err := openFile(c.Path, env)
	if err != nil {
		return nil, err
	}
	sealer, err := m.unwrapKey(env.Keys)
	if err != nil {
		return nil, errors.Join(keyError(c.Path, err), db.Close())
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	s := &Store{db: db.DB, file: db.file, sealer: sealer, now: env.Now, writes: newGroupCommit(db.DB)}
	s.UseKeys(env.Keys)
	return s, nil
}

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product: product, MaxValue: MaxValue,
		AtomicCreate: true, AtomicImport: true, Durable: true,
	}
}

// Check implements backends.Backend.
func (s *Store) Check(ctx context.Context) error {
	return s.view(ctx, "bolt.check", "", func(tx *bbolt.Tx) error {
		_, err := readMeta(tx)
		return err
	})
}

// Close implements backends.Backend. It waits for calls that have begun.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return failure("bolt.close", "", err)
	}
	return nil
}

// view runs f in a read transaction: one state of the whole store.
func (s *Store) view(ctx context.Context, op string, name secret.Name, f func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return failure(op, name, err)
	}
	backends.CountCall(ctx)
	if err := guarded(func() error { return s.db.View(f) }); err != nil {
		return failure(op, name, err)
	}
	return nil
}

// update plans and commits one write.
func (s *Store) update(ctx context.Context, op string, name secret.Name, plan planFunc) error {
	if err := ctx.Err(); err != nil {
		return failure(op, name, err)
	}
	backends.CountCall(ctx)
	if err := s.writes.do(ctx, plan); err != nil {
		return failure(op, name, err)
	}
	return nil
}
