package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// product is what keys are derived for, and what the schema says that it is of.
const product = "postgres"

// meta is the one row of the table store, which is in clear. Name is the store's
// when the schema was made: what its records are bound to.
type meta struct {
	product         string
	version, oldest int
	name            string
	key             []byte
}

// Upgraded is what Upgrade found and made.
type Upgraded struct {
	From int    `json:"from"` // zero: there was no store
	To   int    `json:"to"`
	Key  string `json:"key"` // of the keyring, that wraps the store's own
}

// Upgrade brings the schema to what this release knows, or makes it, and the
// store's data key. It is one transaction: it does all of it or nothing. Two at
// once wait for each other.
func Upgrade(ctx context.Context, env backends.Env, c *Config) (*Upgraded, error) {
	if err := checkKeys(env.Keys); err != nil {
		return nil, err
	}
	user, password := c.user(), c.Password
	if c.Upgrade != nil {
		user, password = c.Upgrade.User, c.Upgrade.Password
	}
	pool, err := c.connect(ctx, user, password)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	out := new(Upgraded)
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(t pgx.Tx) error { return upgrade(ctx, t, env, c.Schema, out) })
	if err != nil {
		return nil, failure("postgres.upgrade", "", err)
	}
	return out, nil
}

func upgrade(ctx context.Context, t pgx.Tx, env backends.Env, schema string, out *Upgraded) error {
	if _, err := t.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1)::bigint)", "vaultferry "+schema); err != nil {
		return err
	}
	var db server
	err := db.read(ctx, t, schema)
	if err != nil {
		return err
	}
	m := &meta{name: env.Store, product: product}
	switch {
	case slices.Contains(db.tables, "store"):
		if m, err = readMeta(ctx, t, schema); err != nil {
			return err
		}
		if _, err := m.open(env.Keys); err != nil {
			return err
		}
	case len(db.tables) > 0:
		return openError(nil, "schema %s holds tables of somebody else, such as %s; give the store a schema of its own", schema, db.tables[0])
	default:
		if m.key, _, err = sealed.NewKey(env.Keys, product, m.name); err != nil {
			return openError(err, "the keyring cannot wrap the store's data key")
		}
	}
	if m.version > newest() {
		return openError(nil, "schema %s has version %d, and this release knows %d; use the release that made it, or a later one", schema, m.version, newest())
	}
	if m.key, err = sealed.Rewrap(env.Keys, m.key, product, m.name); err != nil {
		return openError(err, "the keyring cannot wrap the store's data key")
	}
	out.From, out.To, out.Key = m.version, newest(), env.Keys.WrappedBy(m.key)
	if m.version == newest() {
		if err := m.check(schema, db.tables); err != nil {
			return err
		}
	}
	return m.migrate(ctx, t, schema)
}

// migrate takes the steps that the schema lacks, and writes down that it has them.
func (m *meta) migrate(ctx context.Context, t pgx.Tx, schema string) error {
	var todo []string
	if m.version == 0 {
		var made bool // by who may, so that its owner need not
		if err := t.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)", schema).Scan(&made); err != nil {
			return err
		}
		if !made {
			todo = append(todo, "CREATE SCHEMA $schema")
		}
		todo = append(todo, storeTable)
	}
	for _, step := range migrations[m.version:] {
		todo = append(todo, step.sql)
	}
	for _, sql := range todo {
		if _, err := t.Conn().PgConn().Exec(ctx, in(schema, sql)).ReadAll(); err != nil {
			return err
		}
	}
	_, err := t.Exec(ctx, in(schema, `INSERT INTO $schema.store (product, version, oldest, name, key) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (one) DO UPDATE SET version = excluded.version, oldest = excluded.oldest, key = excluded.key`),
		m.product, newest(), migrations[newest()-1].oldest, m.name, m.key)
	return err
}

// in puts the schema's name into a statement.
func in(schema, sql string) string { return strings.ReplaceAll(sql, "$schema", schema) }

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// server is what a database says of itself.
type server struct {
	encoding, fsync, commit string
	tables                  []string // of the schema
}

func (s *server) read(ctx context.Context, q querier, schema string) error {
	err := q.QueryRow(ctx, `SELECT current_setting('server_encoding'), current_setting('fsync'), current_setting('synchronous_commit'),
		ARRAY(SELECT tablename::text FROM pg_catalog.pg_tables WHERE schemaname = $1 ORDER BY 1)`, schema).Scan(&s.encoding, &s.fsync, &s.commit, &s.tables)
	if err == nil && s.encoding != "UTF8" {
		err = openError(nil, "the database has the encoding %s; the store needs one with UTF8", s.encoding)
	}
	return err
}

// checkSafe refuses a database that would forget what it has acknowledged.
func (s *server) checkSafe() error {
	switch {
	case s.fsync != "on":
		return secret.Errorf(secret.Upstream, "the database runs with fsync = off: a crash would damage it; set fsync = on")
	case s.commit == "off":
		return secret.Errorf(secret.Upstream,
			"the database runs with synchronous_commit = off: a crash would lose what was acknowledged; set it to on, for this role or for all")
	}
	return nil
}

// readMeta reads the table store, or refuses it.
func readMeta(ctx context.Context, q querier, schema string) (*meta, error) {
	m := new(meta)
	err := q.QueryRow(ctx, in(schema, "SELECT product, version, oldest, name, key FROM $schema.store")).Scan(&m.product, &m.version, &m.oldest, &m.name, &m.key)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, openError(nil, "schema %s is half made: its table store is empty; restore that table, which has the data key, or drop the schema if it holds nothing, and upgrade anew", schema)
	case isCode(err, "42703"), err == nil && (m.product != product || m.version < 1):
		return nil, openError(nil, "the table store in schema %s is somebody else's; give the store a schema of its own", schema)
	}
	return m, err
}

// check refuses a schema that this release cannot use.
func (m *meta) check(schema string, have []string) error {
	if m.oldest > newest() {
		return openError(nil, "schema %s has version %d, which needs a later release than this one: this release knows %d", schema, m.version, newest())
	}
	if m.version < newest() {
		return openError(nil, `schema %s has version %d, and this release needs %d: run "vaultferry store upgrade" first`, schema, m.version, newest())
	}
	for _, table := range tables {
		if !slices.Contains(have, table) {
			return openError(nil, "schema %s has version %d and lacks its table %s: restore it from a backup of the database", schema, m.version, table)
		}
	}
	return nil
}

// open opens the data key.
func (m *meta) open(keys backends.KeyWrapper) (*sealed.Sealer, error) {
	s, err := sealed.OpenKey(keys, m.key, product, m.name)
	if err != nil {
		return s, openError(err, "the keyring does not open this store; it was made with another one")
	}
	return s, nil
}

// checkKeys refuses a keyring that no store can live with.
func checkKeys(keys backends.KeyWrapper) error {
	switch {
	case keys == nil:
		return openError(nil, "a postgres store needs a keyring")
	case !keys.CanUnwrap():
		return openError(nil, "the keyring can seal and not open; a postgres store needs one that opens")
	}
	return nil
}

// checkSchema reads what the schema says of itself, and refuses what this
// release cannot use.
func (s *Store) checkSchema(ctx context.Context) (*meta, *server, error) {
	db, m := new(server), (*meta)(nil)
	err := s.ask(ctx, func(q querier) (err error) {
		if err = db.read(ctx, q, s.schema); err != nil {
			return err
		}
		if !slices.Contains(db.tables, "store") {
			return secret.Errorf(secret.Invalid, "%s", upgradeFirst)
		}
		if m, err = readMeta(ctx, q, s.schema); err != nil {
			return err
		}
		return m.check(s.schema, db.tables)
	})
	if err == nil {
		s.wrapped.Store(m)
	}
	return m, db, err
}
