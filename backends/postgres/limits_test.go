package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestLimits: what an administrator sets to end what takes long ends it, and is told
// as that; nothing of it is half done, and the store goes on.
func TestLimits(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	for _, limit := range []string{"statement_timeout", "lock_timeout"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			database := server.NewDatabase(t)
			p := newPlace(t, database).made(t)
			if err := putOne(t.Context(), p.open(t)); err != nil {
				t.Fatal(err)
			}
			other, err := pgx.Connect(t.Context(), server.DSN(database))
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close(t.Context())
			if _, err := other.Exec(t.Context(), "BEGIN; SELECT 1 FROM "+p.config.Schema+".secret FOR UPDATE"); err != nil {
				t.Fatal(err)
			}
			server.Exec(t, "postgres", "ALTER DATABASE "+database+" SET "+limit+" = '500ms'")
			var s *postgres.Store
			waitFor(t, func() bool { // which a busy machine may end, too
				var b backends.Backend
				if b, err = postgres.Open(t.Context(), p.env, &p.config); err == nil {
					s = b.(*postgres.Store)
				}
				return err == nil
			})
			defer s.Close()
			if err := putOne(t.Context(), s); !errors.Is(err, secret.Unavailable) || !strings.Contains(secret.DetailOf(err), limit) {
				t.Errorf("a write that waits for long: %v", err)
			}
			if _, err := other.Exec(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			waitFor(t, func() bool { return putOne(t.Context(), s) == nil })
			waitFor(t, func() bool { return versionsOf(t.Context(), s, 2) == nil })
		})
	}
}

// TestReadOnlyByDefault: a role whose transactions only read is no role for a gateway,
// which says so.
func TestReadOnlyByDefault(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	p := newPlace(t, database).made(t)
	s := p.open(t)
	server.Exec(t, "postgres", "ALTER DATABASE "+database+" SET default_transaction_read_only = on",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+database+"'")
	waitFor(t, func() bool {
		err := s.Check(t.Context())
		return errors.Is(err, secret.Unavailable) && strings.Contains(secret.DetailOf(err), "default_transaction_read_only")
	})
	server.Exec(t, "postgres", "ALTER DATABASE "+database+" RESET ALL")
	if err := putOne(t.Context(), s); err != nil {
		t.Errorf("with the setting gone: %v", err)
	}
}

// TestSchemaMadeByAnother: the owner of a schema that an administrator made needs no
// right to the database, and what the database's own triggers refuse is told as that.
func TestSchemaMadeByAnother(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	p := newPlace(t, database)
	owner := "owner_of_" + database
	server.Exec(t, database, "CREATE ROLE "+owner+" LOGIN", "CREATE SCHEMA "+p.config.Schema+" AUTHORIZATION "+owner,
		"CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
		"CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()")
	p.config.DSN = strings.Replace(p.config.DSN, "user="+postgrestest.Superuser, "user="+owner, 1)
	if _, err := postgres.Upgrade(t.Context(), p.env, &p.config); !errors.Is(err, secret.Upstream) || !strings.Contains(secret.DetailOf(err), "trigger") {
		t.Errorf("with a trigger that refuses: %v", err)
	}
	server.Exec(t, database, "DROP EVENT TRIGGER no")
	if err := putOne(t.Context(), p.made(t).open(t)); err != nil {
		t.Error(err)
	}
}
