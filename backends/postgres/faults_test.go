package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/secret"
)

func draft(text string) secret.Draft { return secret.Draft{Value: secret.TextValue(text)} }

// through is the same place behind a proxy.
func (p place) through(proxy *postgrestest.Proxy, database string) place {
	p.config.DSN = proxy.DSN(database)
	return p
}

// faultWrite is a write, and the text of the statement that commits it.
type faultWrite struct {
	name, statement string
	prepare         func(ctx context.Context, s *postgres.Store) error
	do              func(ctx context.Context, s *postgres.Store) error
	check           func(ctx context.Context, s *postgres.Store) error
}

func versionsOf(ctx context.Context, s *postgres.Store, want int) error {
	sec, err := s.Describe(ctx, "s")
	if err != nil {
		return err
	}
	if len(sec.Versions) != want {
		return fmt.Errorf("there are %d versions, want %d", len(sec.Versions), want)
	}
	return nil
}

func putOne(ctx context.Context, s *postgres.Store) error {
	_, err := s.Put(ctx, "s", draft("canary"))
	return err
}

func deleteOne(ctx context.Context, s *postgres.Store) error {
	_, err := s.Delete(ctx, "s", time.Time{})
	return err
}

func importOne(ctx context.Context, s *postgres.Store) error {
	_, err := s.Import(ctx, backendtest.Sample("s"), "")
	return err
}

func wholeImport(ctx context.Context, s *postgres.Store) error {
	return versionsOf(ctx, s, len(backendtest.Sample("s").Versions))
}

func inTrash(ctx context.Context, s *postgres.Store) error {
	_, err := s.DescribeTrash(ctx, "s")
	return err
}

func nothing(context.Context, *postgres.Store) error { return nil }

func twice(fs ...func(context.Context, *postgres.Store) error) func(context.Context, *postgres.Store) error {
	return func(ctx context.Context, s *postgres.Store) error {
		for _, f := range fs {
			if err := f(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}

var faultWrites = []faultWrite{
	{"create", "version (", nothing, func(ctx context.Context, s *postgres.Store) error {
		d := draft("canary")
		d.OnlyIfAbsent = true
		_, err := s.Put(ctx, "s", d)
		return err
	}, func(ctx context.Context, s *postgres.Store) error { return versionsOf(ctx, s, 1) }},
	{"put", "version (", putOne, putOne, func(ctx context.Context, s *postgres.Store) error { return versionsOf(ctx, s, 2) }},
	{"append", " COMMIT ", putOne, func(ctx context.Context, s *postgres.Store) error {
		_, mark, err := s.DescribeMarked(ctx, "s")
		if err != nil {
			return err
		}
		got, err := s.Append(ctx, "s", mark, []secret.Draft{draft("canary-2"), draft("canary-3")})
		if err == nil && (len(got.Versions) != 2 || got.Current != 3) {
			return errors.New("the answer is not what was asked for")
		}
		return err
	}, func(ctx context.Context, s *postgres.Store) error { return versionsOf(ctx, s, 3) }},
	{"update", "SET attributes", putOne, func(ctx context.Context, s *postgres.Store) error {
		kind := "text/plain"
		got, err := s.Update(ctx, "s", secret.Current, secret.Patch{ContentType: &kind})
		if err == nil && got.Versions[0].ContentType != kind {
			return errors.New("the answer is not what was asked for")
		}
		return err
	}, func(ctx context.Context, s *postgres.Store) error {
		got, err := s.Describe(ctx, "s")
		if err == nil && got.Versions[0].ContentType != "text/plain" {
			return errors.New("the update is not there")
		}
		return err
	}},
	{"delete", "SET head", putOne, deleteOne, inTrash},
	{"recover", "SET head", twice(putOne, deleteOne), func(ctx context.Context, s *postgres.Store) error {
		_, err := s.Recover(ctx, "s")
		return err
	}, func(ctx context.Context, s *postgres.Store) error { return versionsOf(ctx, s, 1) }},
	{"purge", "DELETE FROM", twice(putOne, deleteOne), func(ctx context.Context, s *postgres.Store) error {
		return s.Purge(ctx, "s")
	}, func(ctx context.Context, s *postgres.Store) error {
		if err := inTrash(ctx, s); !errors.Is(err, secret.NotFound) {
			return fmt.Errorf("after the purge: %w", err)
		}
		return nil
	}},
	{"import", " COMMIT ", nothing, importOne, wholeImport},
	{"record", "state (", nothing, func(ctx context.Context, s *postgres.Store) error {
		return s.WriteState(ctx, "events", []byte(`{}`), "")
	}, func(ctx context.Context, s *postgres.Store) error {
		_, revision, err := s.ReadState(ctx, "events")
		if err == nil && revision != "1" {
			return fmt.Errorf("it is at revision %s", revision)
		}
		return err
	}},
}

// TestFaults: whatever a write's round trip meets, the write is acknowledged and
// took effect once.
func TestFaults(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	for _, w := range faultWrites {
		for _, f := range postgrestest.Faults() {
			t.Run(w.name+"/"+f.String(), func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, database).made(t)
				direct := p.open(t)
				proxy := server.NewProxy(t, 0)
				s := p.through(proxy, database).open(t)
				if err := w.prepare(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				proxy.Arm(w.statement, f)
				if err := w.do(t.Context(), s); err != nil {
					t.Errorf("the write: %v", err)
				}
				if proxy.Met() != 1 {
					t.Fatalf("%d faults were met", proxy.Met())
				}
				if err := w.check(t.Context(), direct); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// asked is a context of a client's operation, which is answered when sent is
// called.
func asked(ctx context.Context, caller, body string) (out context.Context, sent func()) {
	ctx = backends.WithOperation(ctx, backends.Operation{Caller: caller, Op: "azure.SetSecret", Digest: [32]byte([]byte(fmt.Sprintf("%-32s", body)))})
	out, answers := backends.WithAnswers(ctx)
	return out, answers.Sent
}

// TestRepeats: a client's repeat of a write that nobody answered makes no second
// version, at any gateway; one of an answered write does, and so does anybody
// else's.
func TestRepeats(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "").made(t)
	one, two := p.open(t), p.open(t)
	put := func(s *postgres.Store, caller, body string, answer bool) secret.Ordinal {
		t.Helper()
		request, leave := context.WithCancel(t.Context())
		defer leave()
		ctx, sent := asked(request, caller, body)
		got, err := s.Put(ctx, "s", draft(body))
		if err != nil {
			t.Fatal(err)
		}
		if !got.Versions[0].Value.Equal(secret.TextValue(body)) {
			t.Error("the answer has another value")
		}
		if answer {
			sent()
		}
		return got.Versions[0].Ordinal
	}
	want := func(what string, got, want secret.Ordinal) {
		t.Helper()
		if got != want {
			t.Errorf("%s is version %d, want %d", what, got, want)
		}
	}
	want("the first", put(one, "a", "x", false), 1)
	want("its repeat elsewhere", put(two, "a", "x", false), 1)
	want("its repeat at the same gateway", put(one, "a", "x", false), 1)
	want("the same of another caller", put(two, "b", "x", true), 2)
	want("a repeat that is current no more", put(two, "a", "x", true), 3)
	want("the same once it is answered", put(two, "a", "x", true), 4)
	d := draft("x")
	d.OnlyIfAbsent = true
	for _, s := range []*postgres.Store{one, two, one} {
		request, leave := context.WithCancel(t.Context())
		ctx, _ := asked(request, "a", "x")
		if got, err := s.Put(ctx, "new", d); err != nil || got.Versions[0].Ordinal != 1 {
			t.Errorf("a creation and its repeat: %v", err)
		}
		leave()
	}
	waiting, _ := asked(t.Context(), "c", "x")
	if _, err := one.Put(waiting, "late", d); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Put(waiting, "late", d); !errors.Is(err, secret.AlreadyExists) {
		t.Errorf("the same twice at once: %v", err)
	}
	if _, err := one.Put(t.Context(), "new", d); !errors.Is(err, secret.AlreadyExists) {
		t.Errorf("another creation: %v", err)
	}
}

// TestRepeatsOfTrash: a delete, a recovery or a purge is told to be a repeat for as
// long as the name is as it has left it.
func TestRepeatsOfTrash(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "").made(t)
	one, two := p.open(t), p.open(t)
	ctx, _ := asked(t.Context(), "a", "")
	var answer []func()
	lost := func(do func(ctx context.Context) error) { // its client leaves
		t.Helper()
		request, leave := context.WithCancel(t.Context())
		defer leave()
		ctx, sent := asked(request, "a", "")
		answer = append(answer, sent)
		if err := do(ctx); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, repeats bool) {
		t.Helper()
		for _, s := range []*postgres.Store{one, two} {
			if got, err := s.Repeats(ctx, "s"); err != nil || got != repeats {
				t.Errorf("%s: repeats is %t, %v", what, got, err)
			}
		}
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(one.Put(t.Context(), "s", draft("x")))
	want("before", false)
	lost(func(ctx context.Context) error {
		_, err := one.Delete(ctx, "s", time.Time{})
		return err
	})
	want("deleted", true)
	lost(func(ctx context.Context) error {
		_, err := two.Recover(ctx, "s")
		return err
	})
	want("recovered", true)
	must(two.Delete(t.Context(), "s", time.Time{})) // somebody else's
	want("deleted by another as well", true)
	lost(func(ctx context.Context) error { return one.Purge(ctx, "s") })
	want("purged", true)
	must(one.Put(t.Context(), "s", draft("x")))
	if got, err := two.Repeats(ctx, "s"); err != nil || !got { // the recovery: it is live
		t.Errorf("made anew: repeats is %t, %v", got, err)
	}
	for _, sent := range answer {
		sent()
	}
	waitFor(t, func() bool {
		got, err := two.Repeats(ctx, "s")
		return err == nil && !got
	})
}

// TestCheckOverABrokenConnection: the health check of a store whose connection breaks
// says that the database cannot be reached, and no riddle. A store that opens also asks for
// what it may forget, by the same clock.
func TestCheckOverABrokenConnection(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	proxy := server.NewProxy(t, 0)
	s := newPlace(t, database).made(t).through(proxy, database).open(t)
	for _, text := range []string{"server_encoding", ".store", "SELECT clock_timestamp()"} {
		for _, f := range postgrestest.Faults() {
			proxy.Arm(text, f)
			met := proxy.Met()
			if err := s.Check(t.Context()); secret.KindOf(err) != secret.Unavailable || secret.DetailOf(err) == "" {
				t.Errorf("%s, %v: %v", text, f, err)
			}
			if proxy.Met() != met+1 {
				t.Errorf("%s, %v: no fault was met", text, f)
			}
		}
	}
}

// TestAnotherSecretMeanwhile: the current version is not the newest one, and by the time
// it is read another gateway has purged the secret and made one that has fewer versions.
func TestAnotherSecretMeanwhile(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	database := server.NewDatabase(t)
	proxy := server.NewProxy(t, 0)
	p := newPlace(t, database).made(t)
	other, s := p.open(t), p.through(proxy, database).open(t)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	put := func(text string) {
		t.Helper()
		_, err := other.Put(t.Context(), "s", draft(text))
		do(err)
	}
	put("one")
	put("two")
	put("three")
	_, err := other.Update(t.Context(), "s", secret.ByOrdinal(2), secret.Patch{MakeCurrent: true})
	do(err)
	var once sync.Once
	proxy.Hold(func(statements []string) {
		if !slices.ContainsFunc(statements, func(text string) bool { return strings.Contains(text, "AND ordinal = $3") }) {
			return
		}
		once.Do(func() {
			_, err = other.Delete(t.Context(), "s", time.Time{})
			do(err)
			do(other.Purge(t.Context(), "s"))
			put("new")
		})
	})
	got, err := s.Get(t.Context(), "s", secret.Current)
	proxy.Hold(nil)
	if err != nil || string(got.Versions[0].Value.Reveal()) != "new" {
		t.Errorf("what is current: %v", err)
	}
}
