package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

// writeMany writes until n writes are acknowledged, and calls amid them, before every
// so many. It returns the ordinals that were acknowledged.
func writeMany(t *testing.T, s *postgres.Store, workers, n, every int, amid func()) map[secret.Name][]secret.Ordinal {
	t.Helper()
	var mu sync.Mutex
	var count atomic.Int64
	made := map[secret.Name][]secret.Ordinal{}
	var writers sync.WaitGroup
	for w := range workers {
		writers.Go(func() {
			name := secret.Name(fmt.Sprint("s", w))
			for {
				i := int(count.Add(1))
				if i > n {
					return
				}
				if i%every == 0 && i < n {
					amid()
				}
				value := draft(fmt.Sprint("canary", i))
				for { // as clients do
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					ctx, sent := asked(ctx, "me", secretText(value))
					got, err := s.Put(ctx, name, value)
					cancel()
					if err == nil {
						sent()
						mu.Lock()
						made[name] = append(made[name], got.Versions[0].Ordinal)
						mu.Unlock()
						break
					}
					if !errors.Is(err, secret.Unavailable) && !errors.Is(err, secret.Unknown) {
						t.Errorf("a write: %v", err)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	return made
}

func secretText(d secret.Draft) string { return string(d.Value.Reveal()) }

// checkMade wants exactly the versions that were acknowledged.
func checkMade(t *testing.T, s *postgres.Store, made map[secret.Name][]secret.Ordinal) {
	t.Helper()
	for name, ordinals := range made {
		var sec *secret.Secret
		waitFor(t, func() (ok bool) { // a connection that broke is found when it is used
			var err error
			sec, err = s.Describe(t.Context(), name)
			return err == nil
		})
		if len(sec.Versions) != len(ordinals) {
			t.Errorf("%s has %d versions, and %d were acknowledged", name, len(sec.Versions), len(ordinals))
		}
		for _, o := range ordinals {
			if sec.Find(secret.ByOrdinal(o)) == nil {
				t.Errorf("%s: version %d was acknowledged and is lost", name, o)
			}
		}
	}
}

// TestServerDies: the postmaster is killed amid a thousand writes, and comes back.
// What was acknowledged is there, and nothing twice.
func TestServerDies(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{})
	p := newPlaceAt(t, server, "postgres").made(t)
	s := p.open(t)
	var back sync.WaitGroup
	made := writeMany(t, s, 8, 1000, 500, func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		back.Go(func() {
			if err := server.Start(); err != nil {
				t.Error(err)
			}
		})
	})
	back.Wait()
	checkMade(t, s, made)

	if err := server.Kill(); err != nil { // a gateway that starts first waits for the database
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		b, err := postgres.Open(t.Context(), p.env, &p.config)
		if err == nil {
			err = b.Close()
		}
		opened <- err
	}()
	if err := errors.Join(server.Start(), <-opened); err != nil {
		t.Error(err)
	}
}

// TestSessionsEnd: an administrator ends all sessions, time and again.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{})
	p := newPlaceAt(t, server, "postgres").made(t)
	s := p.open(t)
	// By writes, and not by the clock: on a slow machine no session would last for one.
	made := writeMany(t, s, 8, 300, 10, func() {
		if err := server.Run("template1", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'"); err != nil {
			t.Error(err)
		}
	})
	checkMade(t, s, made)
}

// TestFailover: a standby takes over. Until it does, and of a replica, clients are
// told that the database takes no writes.
func TestFailover(t *testing.T) {
	t.Parallel()
	first := postgrestest.Start(t, postgrestest.Options{})
	p := newPlaceAt(t, first, "postgres").made(t)
	if err := putOne(t.Context(), p.open(t)); err != nil {
		t.Fatal(err)
	}
	second := first.StartStandby(t)
	replica := p
	replica.config.DSN = second.DSN("postgres")
	replica.config.TargetSessionAttrs = "any"
	r := replica.open(t)
	if err := versionsOf(t.Context(), r, 1); err != nil {
		t.Errorf("reading of a replica: %v", err)
	}
	if err := putOne(t.Context(), r); !errors.Is(err, secret.Unavailable) || !strings.Contains(secret.DetailOf(err), "replica") {
		t.Errorf("writing to a replica: %v", err)
	}
	both := p
	both.config.DSN = fmt.Sprintf("host=%s,%s port=%d,%d user=%s dbname=postgres sslmode=disable", first.Socket, second.Socket, first.Port, second.Port, postgrestest.Superuser)
	s := both.open(t)
	if err := putOne(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { // it follows when it can, and of what it has not seen nothing is promised
		return first.Run("postgres", "SELECT 1 / count(*) FROM pg_stat_replication WHERE flush_lsn >= pg_current_wal_flush_lsn()") == nil
	})
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	second.Exec(t, "postgres", "SELECT pg_promote()")
	waitFor(t, func() bool { return putOne(t.Context(), s) == nil })
	if err := versionsOf(t.Context(), s, 3); err != nil {
		t.Error(err)
	}
}

// TestTakeover: a standby that every commit waits for takes over amid many writes.
// What was acknowledged is there, and nothing twice.
func TestTakeover(t *testing.T) {
	t.Parallel()
	first := postgrestest.Start(t, postgrestest.Options{})
	p := newPlaceAt(t, first, "postgres").made(t)
	second := first.StartStandby(t)
	first.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
	waitFor(t, func() bool {
		return first.Run("postgres", "SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == nil
	})
	p.config.DSN = fmt.Sprintf("host=%s,%s port=%d,%d user=%s dbname=postgres sslmode=disable", first.Socket, second.Socket, first.Port, second.Port, postgrestest.Superuser)
	s := p.open(t)
	made := writeMany(t, s, 8, 400, 200, func() {
		if err := first.Kill(); err != nil {
			t.Error(err)
		}
		if err := second.Run("postgres", "SELECT pg_promote()"); err != nil {
			t.Error(err)
		}
	})
	checkMade(t, s, made)
}

// TestDiskFull: a database that has no space left for its tables, or for its log, says
// so or ends, nothing is half there, what was acknowledged is, and once there is space
// it goes on. The server and its reaction are real; that the disk is full is what a
// library tells the server: see postgrestest.Disk.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, full := range []struct{ where, path, says string }{{"tables", "/base/", "no space left"}, {"log", "/pg_wal/", ""}} {
		t.Run(full.where, func(t *testing.T) {
			t.Parallel()
			disk := postgrestest.NewDisk(t)
			server := postgrestest.Start(t, postgrestest.Options{Disk: disk})
			s := newPlaceAt(t, server, "postgres").made(t).open(t)
			put := func(i int) error {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				go func() {
					select {
					case <-server.Exited():
						cancel()
					case <-ctx.Done():
					}
				}()
				_, err := s.Put(ctx, secret.Name(fmt.Sprint("s", i)), draft(strings.Repeat("canary--", 1<<18)))
				return err
			}
			if err := put(0); err != nil {
				t.Fatal(err)
			}
			disk.Fill(t, full.path)
			n, err := 1, error(nil)
			for ; n < 100; n++ {
				if err = put(n); err != nil {
					break
				}
			}
			known := errors.Is(err, secret.Unavailable)
			if !known && !errors.Is(err, secret.Unknown) || !strings.Contains(secret.DetailOf(err), full.says) {
				t.Fatalf("write %d: %v", n, err)
			}
			disk.Free(t)
			if full.where == "log" { // which ends the server; it may not have come up again
				_ = server.Kill()
				if err := server.Start(); err != nil {
					t.Fatal(err)
				}
			}
			waitFor(t, func() bool { return s.Check(t.Context()) == nil })
			for i := range n {
				if sec, err := s.Get(t.Context(), secret.Name(fmt.Sprint("s", i)), secret.Current); err != nil || sec.Versions[0].Value.Len() != 1<<21 {
					t.Errorf("s%d was acknowledged: %v", i, err)
				}
			}
			if _, err := s.Get(t.Context(), secret.Name(fmt.Sprint("s", n)), secret.Current); known && !errors.Is(err, secret.NotFound) {
				t.Errorf("s%d was refused: %v", n, err)
			}
			if err := put(n); err != nil {
				t.Errorf("with space again: %v", err)
			}
			if found, err := s.Verify(t.Context()); err != nil || !found.Sound() || found.Secrets != n+1 {
				t.Errorf("a check: %+v, %v", found, err)
			}
		})
	}
}

// newPlaceAt is newPlace on another server.
func newPlaceAt(t testing.TB, server *postgrestest.Server, database string) place {
	t.Helper()
	p := place{env: backends.Env{Store: "payments", Keys: keyring(t)}}
	p.config.SetDefaults()
	p.config.DSN = server.DSN(database)
	return p
}
