package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

// writeMany writes in turn until n writes are acknowledged, and calls at once in
// the middle. It returns the ordinals that were acknowledged.
func writeMany(t *testing.T, s *postgres.Store, workers, n int, midway func()) map[secret.Name][]secret.Ordinal {
	t.Helper()
	var mu sync.Mutex
	var count atomic.Int64
	var once sync.Once
	made := map[secret.Name][]secret.Ordinal{}
	var writers sync.WaitGroup
	for w := range workers {
		writers.Go(func() {
			name := secret.Name(fmt.Sprint("s", w))
			for count.Add(1) <= int64(n) {
				if count.Load() > int64(n/2) {
					once.Do(midway)
				}
				value := draft(fmt.Sprint("canary", count.Load()))
				for { // as clients do
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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
	made := writeMany(t, s, 8, 1000, func() {
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
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				_ = server.Run("template1", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'")
			}
		}
	})
	made := writeMany(t, s, 8, 300, func() {})
	close(stop)
	killer.Wait()
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

// TestDiskFull: a database that has no space left says so, nothing is half there,
// and once there is space it goes on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "pgfull") // where another user gets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=160m"); err != nil {
		t.Skipf("no small file system can be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	server := postgrestest.Start(t, postgrestest.Options{Home: filepath.Clean(dir), Settings: []string{"max_wal_size = 64MB", "min_wal_size = 32MB"}})
	p := newPlaceAt(t, server, "postgres").made(t)
	s := p.open(t)
	chunk := strings.Repeat("canary--", 1<<18)
	n := 0
	for ; err == nil && n < 200; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err = s.Put(ctx, secret.Name(fmt.Sprint("s", n)), draft(chunk))
		cancel()
	}
	if err == nil || !errors.Is(err, secret.Unavailable) && !errors.Is(err, secret.Unknown) {
		t.Fatalf("after %d writes: %v", n, err)
	}
	for i := range n - 1 {
		if _, err := s.Get(t.Context(), secret.Name(fmt.Sprint("s", i)), secret.Current); err != nil && !errors.Is(err, secret.Unavailable) {
			t.Errorf("s%d was acknowledged: %v", i, err)
		}
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
