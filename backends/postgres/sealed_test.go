package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestTampered: a row that was changed, moved or swapped by hand is found when it
// is read, the client is told nothing, and a check names it.
func TestTampered(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	swap := func(table, column, a, b string) string {
		return "UPDATE $schema." + table + " x SET " + column + " = y." + column + " FROM $schema." + table + " y WHERE (x." + a + " AND y." + b + ") OR (x." + b + " AND y." + a + ")"
	}
	for what, sql := range map[string]string{
		"values exchanged":     "UPDATE $schema.version x SET value = y.value FROM $schema.version y WHERE x.name = 's' AND y.name = 's' AND x.ordinal = 3 - y.ordinal",
		"attributes exchanged": "UPDATE $schema.version x SET attributes = y.attributes FROM $schema.version y WHERE x.name = 's' AND y.name = 's' AND x.ordinal = 3 - y.ordinal",
		"heads exchanged":      swap("secret", "head", "name = 's'", "name = 't'"),
		"value changed":        "UPDATE $schema.version SET value = set_byte(value, 40, get_byte(value, 40) # 1) WHERE name = 's' AND ordinal = 2",
		"value gone":           "UPDATE $schema.version SET value = NULL WHERE name = 's' AND ordinal = 2",
		"value cut":            "UPDATE $schema.version SET value = 'x' WHERE name = 's' AND ordinal = 2",
		"version gone":         "DELETE FROM $schema.version WHERE name = 's' AND ordinal = 2",
		"version moved":        "UPDATE $schema.version SET name = 's', ordinal = 3 WHERE name = 't'",
		"UID changed":          "UPDATE $schema.version SET uid = decode('000102030405060708090a0b0c0d0e0f', 'hex') WHERE name = 's' AND ordinal = 2",
		"head of a deleted":    "UPDATE $schema.secret SET deleted = true WHERE name = 's'",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, database).made(t)
			s := p.open(t)
			for _, name := range []secret.Name{"s", "s", "t"} {
				if _, err := s.Put(t.Context(), name, draft("canary")); err != nil {
					t.Fatal(err)
				}
			}
			if found, err := s.Verify(t.Context()); err != nil || !found.Sound() || found.Versions != 3 || found.Secrets != 2 {
				t.Fatalf("before: %+v, %v", found, err)
			}
			server.Exec(t, database, strings.ReplaceAll(sql, "$schema", p.config.Schema))
			read := s.Export
			if what == "head of a deleted" {
				read = s.DescribeTrash
			}
			if what == "version gone" {
				_, err := s.Get(t.Context(), "s", secret.Current)
				wantInternal(t, err)
			} else {
				_, err := read(t.Context(), "s")
				wantInternal(t, err)
			}
			found, err := s.Verify(t.Context())
			if err != nil || found.Sound() {
				t.Errorf("a check finds nothing, or %v", err)
			}
		})
	}
}

// TestWritesOverDamage: a write that meets a damaged row says so at once. It does not
// try again until its caller gives up, and nobody is told that it may have been done.
func TestWritesOverDamage(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	put := func(ctx context.Context, s *postgres.Store) error {
		_, err := s.Put(ctx, "s", draft("canary"))
		return err
	}
	const headChanged = "UPDATE $schema.secret SET head = set_byte(head, 40, get_byte(head, 40) # 1)"
	for what, c := range map[string]struct {
		sql   string
		write func(context.Context, *postgres.Store) error
	}{
		"put over a changed head": {headChanged, put},
		"put that was asked for, over a changed head": {headChanged, func(ctx context.Context, s *postgres.Store) error {
			ctx, _ = asked(ctx, "caller", "canary")
			return put(ctx, s)
		}},
		"delete of a changed head": {headChanged, func(ctx context.Context, s *postgres.Store) error {
			_, err := s.Delete(ctx, "s", time.Time{})
			return err
		}},
		"update of a version that is gone": {"DELETE FROM $schema.version", func(ctx context.Context, s *postgres.Store) error {
			_, err := s.Update(ctx, "s", secret.Current, secret.Patch{})
			return err
		}},
		"record of the gateway, changed": {"UPDATE $schema.state SET head = set_byte(head, 40, get_byte(head, 40) # 1)", func(ctx context.Context, s *postgres.Store) error {
			return s.WriteState(ctx, "events", []byte(`{"n":2}`), "1")
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, database).made(t)
			s := p.open(t)
			err := put(t.Context(), s)
			err = errors.Join(err, s.WriteState(t.Context(), "events", []byte(`{"n":1}`), ""), s.Close())
			if err != nil {
				t.Fatal(err)
			}
			server.Exec(t, database, strings.ReplaceAll(c.sql, "$schema", p.config.Schema))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // what never ends, ends
			defer cancel()
			wantInternal(t, c.write(ctx, p.open(t)))
		})
	}
}

func wantInternal(t *testing.T, err error) {
	t.Helper()
	if err == nil || secret.KindOf(err) != secret.Internal || secret.DetailOf(err) != "" {
		t.Errorf("the error is %v, detail %q", err, secret.DetailOf(err))
	}
}

// TestDump: a dump holds no value and no attribute in clear.
func TestDump(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	p := newPlace(t, database).made(t)
	s := p.open(t)
	if _, err := s.Import(t.Context(), backendtest.Sample("named"), ""); err != nil {
		t.Fatal(err)
	}
	d := draft("hush-value")
	d.ContentType, d.Tags, d.Stages = "hush-type", map[string]string{"hush-tag": "hush-tag"}, []string{"hush-stage"}
	d.OfSecret = &secret.Attributes{Description: "hush-description"}
	ctx, _ := asked(t.Context(), "hush-caller", "hush-value")
	if _, err := s.Put(ctx, "named", d); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteState(t.Context(), "events", []byte(`{"hush":1}`), ""); err != nil {
		t.Fatal(err)
	}
	dump, err := exec.CommandContext(t.Context(), filepath.Join(postgrestest.Bin(), "pg_dump"), "-h", server.Socket, "-p", strconv.Itoa(server.Port), "-U", postgrestest.Superuser, database).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(dump, []byte("named")) {
		t.Error("the dump does not hold the name, so it holds nothing")
	}
	for _, word := range []string{"hush", "68757368", "canary", "63616e617279"} {
		if bytes.Contains(dump, []byte(word)) {
			t.Errorf("the dump holds %q in clear", word)
		}
	}
}

// TestOtherKeyring: the store of another keyring is refused, with what to do.
func TestOtherKeyring(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "").made(t)
	p.env.Keys = keyring(t)
	_, err := postgres.Open(t.Context(), p.env, &p.config)
	_, upgradeErr := postgres.Upgrade(t.Context(), p.env, &p.config)
	for _, err := range []error{err, upgradeErr} {
		if !errors.Is(err, secret.Invalid) || !strings.Contains(secret.DetailOf(err), "made with another one") {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestAKeyThatNobodyVouchesFor: with the public half of an asymmetric keyring anybody
// can seal a key and write it down. It lacks what proves a holder, and is refused.
func TestAKeyThatNobodyVouchesFor(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	p := newPlace(t, database)
	var err error
	if p.env.Keys, err = backup.NewKeyringOf("ECDH-ES+A256KW"); err != nil {
		t.Fatal(err)
	}
	p = p.made(t)
	p.open(t)
	server.Exec(t, database, "UPDATE "+p.config.Schema+`.store SET key = convert_to(regexp_replace(convert_from(key, 'UTF8'), '[.][^.]*$', ''), 'UTF8')`)
	_, err = postgres.Open(t.Context(), p.env, &p.config)
	_, upgradeErr := postgres.Upgrade(t.Context(), p.env, &p.config)
	for _, err := range []error{err, upgradeErr} {
		if !errors.Is(err, secret.Invalid) || !strings.Contains(secret.DetailOf(err), "does not open this store") {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestUpgradesMeet: of many at once one makes the schema, and all end well.
func TestUpgradesMeet(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	made := make(chan *postgres.Upgraded)
	for range 6 {
		go func() {
			u, err := postgres.Upgrade(t.Context(), p.env, &p.config)
			if err != nil {
				t.Error(err)
			}
			made <- u
		}()
	}
	first := 0
	for range 6 {
		if u := <-made; u != nil && u.From == 0 {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d of them made the schema", first)
	}
	p.open(t)
}

// TestNormalForms: two normal forms of one name are two names, and lists run
// bytewise, whatever the database's own order is.
func TestNormalForms(t *testing.T) {
	t.Parallel()
	s := newPlace(t, "").made(t).open(t)
	names := []secret.Name{"B", "a", "e\u0301", "\u00e9"}
	for _, name := range names {
		if _, err := s.Put(t.Context(), name, secret.Draft{Value: secret.TextValue(string(name)), OnlyIfAbsent: true}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.List(t.Context(), secret.Query{})
	if err != nil || len(page.Secrets) != len(names) {
		t.Fatalf("%d names, %v", len(page.Secrets), err)
	}
	for i, want := range names {
		if got := page.Secrets[i].Name; got != want {
			t.Errorf("name %d is %q, want %q", i, got, want)
		}
	}
}

// TestClockJumps: times are the database's clock, and those of one secret increase
// whatever that does.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	server.Exec(t, database, "CREATE SCHEMA fake", "CREATE TABLE fake.shift (by interval)", "INSERT INTO fake.shift VALUES ('0')",
		"CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT pg_catalog.clock_timestamp() + (SELECT by FROM fake.shift)'",
		"ALTER DATABASE "+database+" SET search_path = fake, pg_catalog, public")
	p := newPlace(t, database).made(t)
	s := p.open(t)
	var last time.Time
	for _, shift := range []struct{ by, near time.Duration }{{0, 0}, {time.Hour, time.Hour}, {-time.Hour, time.Hour}, {3 * time.Hour, 3 * time.Hour}} {
		server.Exec(t, database, "UPDATE fake.shift SET by = make_interval(secs => "+strconv.Itoa(int(shift.by.Seconds()))+")")
		for range 2 { // the first one's answer tells
			if _, err := s.Put(t.Context(), "s", draft("x")); err != nil {
				t.Fatal(err)
			}
		}
		sec, err := s.Get(t.Context(), "s", secret.Current)
		if err != nil {
			t.Fatal(err)
		}
		created := sec.Versions[0].Created
		if !created.After(last) || time.Until(created.Add(-shift.near)).Abs() > 10*time.Minute {
			t.Errorf("by %v: created at %v, after %v", shift.by, created, last)
		}
		last = created
	}
}

// TestTwoReleases: a later release whose schema this one may still use does not
// disturb it.
func TestTwoReleases(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	p := newPlace(t, database).made(t)
	s := p.open(t)
	if err := putOne(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	server.Exec(t, database, "ALTER TABLE "+p.config.Schema+".secret ADD COLUMN later text", "ALTER TABLE "+p.config.Schema+".version ADD COLUMN later text DEFAULT 'x'",
		"UPDATE "+p.config.Schema+".store SET version = 7")
	for _, s := range []*postgres.Store{s, p.open(t)} {
		if err := errors.Join(putOne(t.Context(), s), s.Check(t.Context())); err != nil {
			t.Error(err)
		}
	}
	var _ backends.Verifier = s
	server.Exec(t, database, "UPDATE "+p.config.Schema+".store SET oldest = 7") // and one that it may not
	_, openErr := postgres.Open(t.Context(), p.env, &p.config)
	for _, err := range []error{openErr, s.Check(t.Context())} {
		if !errors.Is(err, secret.Invalid) || !strings.Contains(secret.DetailOf(err), "needs a later release") {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestForeignStore: a table with the store's name that is somebody else's is refused,
// and left as it is.
func TestForeignStore(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	const ours = "product text, version int, oldest int, name text, key bytea"
	for what, sql := range map[string]string{
		"of other columns":     "CREATE TABLE $schema.store (id int, city text)",
		"of another product":   "CREATE TABLE $schema.store (" + ours + "); INSERT INTO $schema.store VALUES ('shop', 1, 1, 'payments', 'x')",
		"of a version of none": "CREATE TABLE $schema.store (" + ours + "); INSERT INTO $schema.store VALUES ('postgres', 0, 0, 'payments', 'x')",
	} {
		p := newPlace(t, database)
		server.Exec(t, database, "CREATE SCHEMA "+p.config.Schema, strings.ReplaceAll(sql, "$schema", p.config.Schema))
		_, err := postgres.Open(t.Context(), p.env, &p.config)
		_, upgradeErr := postgres.Upgrade(t.Context(), p.env, &p.config)
		for _, err := range []error{err, upgradeErr} {
			if !errors.Is(err, secret.Invalid) || !strings.Contains(secret.DetailOf(err), "somebody else's") {
				t.Errorf("a store %s: %v", what, err)
			}
		}
	}
}

// TestUpgradeIsCut: an upgrade that is cut makes nothing or all of it, and another one
// ends well.
func TestUpgradeIsCut(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	for _, statement := range []string{".store (", ".operation (", "INSERT INTO", "commit"} {
		for _, f := range postgrestest.Faults() {
			t.Run(statement+" "+f.String(), func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, database)
				proxy := server.NewProxy(t, 0)
				proxy.Arm(statement, f)
				cut := p.through(proxy, database)
				if _, err := postgres.Upgrade(t.Context(), cut.env, &cut.config); err == nil || proxy.Met() != 1 {
					t.Fatalf("%d faults were met, and the error is %v", proxy.Met(), err)
				}
				s := p.made(t).open(t)
				if err := errors.Join(putOne(t.Context(), s), versionsOf(t.Context(), s, 1)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestRecordsExchanged: a record of the gateway that stands in another's place is found
// when it is read.
func TestRecordsExchanged(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	p := newPlace(t, database).made(t)
	s := p.open(t)
	for _, key := range []string{"events", "others"} {
		if err := s.WriteState(t.Context(), key, []byte(`{}`), ""); err != nil {
			t.Fatal(err)
		}
	}
	server.Exec(t, database, "UPDATE "+p.config.Schema+".state x SET head = y.head FROM "+p.config.Schema+".state y WHERE x.name <> y.name")
	_, _, err := s.ReadState(t.Context(), "events")
	wantInternal(t, err)
	if found, err := s.Verify(t.Context()); err != nil || len(found.Damage) != 2 {
		t.Errorf("a check finds %+v, %v", found, err)
	}
}
