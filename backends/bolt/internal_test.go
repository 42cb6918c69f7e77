package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// FuzzRecord: no record makes a decoder panic, and what one accepts comes back
// the same from its own encoding.
func FuzzRecord(f *testing.F) {
	s := backendtest.Sample("s")
	h, err := history.HeadOf(s)
	if err != nil {
		f.Fatal(err)
	}
	head, err := encodeHead(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head)
	h.Secret.Deleted = &secret.Deletion{At: time.Unix(1e9, 1), Purge: time.Unix(2e9, 0)}
	if head, err = encodeHead(h); err != nil {
		f.Fatal(err)
	}
	f.Add(head)
	for i := range s.Versions {
		b, err := encodeVersion(&s.Versions[i])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(encodeValue(s.Versions[i].Value))
	}
	for _, seed := range []string{"", "{}", "null", "[]", `{"uid":""}`, `{"last":1}{}`, `{"created":[9e18,-1]}`, `{"deleted":[-62135596800,0],"purge":[1,2]}`, "\x01\xff", "\x00", "\x09x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHead("s", b); err == nil {
			again(t, h, encodeHead, func(b []byte) (*history.Head, error) { return decodeHead("s", b) })
		}
		if v, err := decodeVersion(7, b); err == nil {
			again(t, v, encodeVersion, func(b []byte) (*secret.Version, error) { return decodeVersion(7, b) })
		}
		if v, err := decodeValue(b); err == nil && !bytes.Equal(encodeValue(v), b) {
			t.Error("a value does not come back")
		}
	})
}

func again[T any](t *testing.T, in *T, enc func(*T) ([]byte, error), dec func([]byte) (*T, error)) {
	t.Helper()
	once, err := enc(in)
	if err != nil {
		t.Fatalf("what was decoded is not encoded: %v", err)
	}
	out, err := dec(once)
	if err != nil {
		t.Fatalf("what was encoded is not decoded: %v", err)
	}
	twice, err := enc(out)
	if err != nil || !bytes.Equal(once, twice) {
		t.Errorf("a record changes on its way: %v", err)
	}
}

// TestRecords: every time, map and string comes back, empty or not.
func TestRecords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.OneOf(rapid.Just(map[string]string(nil)), rapid.MapOf(rapid.String(), rapid.String()))
		times := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "zero") {
				return time.Time{}
			}
			return time.Unix(rapid.Int64Range(-1e11, 1e12).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
		})
		in := &secret.Version{
			Ordinal: 3, UID: secret.NewUID(), Missing: secret.Missing(rapid.String().Draw(t, "missing")),
			ContentType: rapid.String().Draw(t, "type"), Tags: tags.Draw(t, "tags"), Disabled: rapid.Bool().Draw(t, "disabled"),
			NotBefore: times.Draw(t, "nbf"), Expires: times.Draw(t, "exp"), Created: times.Draw(t, "created"), Updated: times.Draw(t, "updated"),
		}
		b, err := encodeVersion(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := decodeVersion(3, b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(in, out, cmp.AllowUnexported(secret.Value{})); d != "" {
			t.Error(d)
		}
	})
}

// TestSealBinds: a sealed record opens in its own place alone, and not at all
// with one bit turned.
func TestSealBinds(t *testing.T) {
	t.Parallel()
	s := sealer{key: bytes.Repeat([]byte{1}, keySize), store: "store"}
	plain, id := []byte("plain"), []byte("id")
	sealed, err := s.seal(domainValue, "name", id, plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.unseal(domainValue, "name", id, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("it does not open in its own place: %v", err)
	}
	otherKey, otherStore := s, s
	otherKey.key = bytes.Repeat([]byte{2}, keySize)
	otherStore.store = "stor"
	for what, try := range map[string]func() ([]byte, error){
		"key":                   func() ([]byte, error) { return otherKey.unseal(domainValue, "name", id, sealed) },
		"store":                 func() ([]byte, error) { return otherStore.unseal(domainValue, "name", id, sealed) },
		"domain":                func() ([]byte, error) { return s.unseal(domainHead, "name", id, sealed) },
		"name":                  func() ([]byte, error) { return s.unseal(domainValue, "nam", id, sealed) },
		"border of two members": func() ([]byte, error) { return s.unseal(domainValue, "nam", []byte("eid"), sealed) },
		"id":                    func() ([]byte, error) { return s.unseal(domainValue, "name", nil, sealed) },
		"length":                func() ([]byte, error) { return s.unseal(domainValue, "name", id, sealed[:saltSize+tagSize-1]) },
	} {
		if _, err := try(); err == nil {
			t.Errorf("it opens under another %s", what)
		}
	}
	for i := range sealed {
		turned := bytes.Clone(sealed)
		turned[i] ^= 1
		if _, err := s.unseal(domainValue, "name", id, turned); err == nil {
			t.Errorf("it opens with a bit of byte %d turned", i)
		}
	}
	twin, err := s.seal(domainValue, "name", id, plain)
	if err != nil || bytes.Equal(sealed, twin) {
		t.Errorf("one record sealed twice is the same: %v", err)
	}
}

// plainKeys wraps nothing: these tests look at what stands beyond the key.
type plainKeys struct{}

func (plainKeys) WrapKey(k []byte) ([]byte, error)   { return k, nil }
func (plainKeys) UnwrapKey(k []byte) ([]byte, error) { return k, nil }
func (plainKeys) CanUnwrap() bool                    { return true }
func (plainKeys) WrappedBy([]byte) string            { return "plain" }

func newStore(t testing.TB) *Store {
	t.Helper()
	return storeAt(t, filepath.Join(t.TempDir(), "s.db"))
}

// storeAt opens a store, which the test may close.
func storeAt(t testing.TB, path string) *Store {
	t.Helper()
	b, err := Open(t.Context(), backends.Env{Store: "s", Keys: plainKeys{}}, &Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	s, ok := b.(*Store)
	if !ok {
		t.Fatal("Open returns another type")
	}
	return s
}

// TestTampered: records that were moved or exchanged in the file are refused,
// and the client is told nothing.
func TestTampered(t *testing.T) {
	t.Parallel()
	for what, tamper := range map[string]func(*bbolt.Tx) error{
		"values exchanged": func(tx *bbolt.Tx) error {
			return exchange(tx.Bucket(bucketSecrets), valueKey("s", 1), valueKey("s", 2))
		},
		"attributes exchanged": func(tx *bbolt.Tx) error {
			return exchange(tx.Bucket(bucketSecrets), attributesKey("s", 1), attributesKey("s", 2))
		},
		"secrets exchanged": func(tx *bbolt.Tx) error { return exchange(tx.Bucket(bucketSecrets), headKey("s"), headKey("t")) },
		"value gone":        func(tx *bbolt.Tx) error { return tx.Bucket(bucketSecrets).Delete(valueKey("s", 2)) },
		"value cut":         func(tx *bbolt.Tx) error { return tx.Bucket(bucketSecrets).Put(valueKey("s", 2), []byte("x")) },
		"head in the open":  func(tx *bbolt.Tx) error { return tx.Bucket(bucketSecrets).Put(headKey("s"), []byte(`{"last":2}`)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			for _, name := range []secret.Name{"s", "s", "t"} {
				if _, err := s.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("x")}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.db.Update(tamper); err != nil {
				t.Fatal(err)
			}
			_, err := s.Export(t.Context(), "s")
			if err == nil || secret.KindOf(err) != secret.Internal || secret.DetailOf(err) != "" {
				t.Errorf("Export: %v, detail %q", err, secret.DetailOf(err))
			}
		})
	}
}

// TestIndexTampered: a UID that was pointed at another version does not bring
// out that version's value.
func TestIndexTampered(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var uids []secret.UID
	for range 2 {
		got, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
		if err != nil {
			t.Fatal(err)
		}
		uids = append(uids, got.Versions[0].UID)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		return exchange(tx.Bucket(bucketSecrets), uidKey("s", uids[0]), uidKey("s", uids[1]))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "s", secret.ByUID(uids[0])); err == nil || secret.KindOf(err) != secret.Internal {
		t.Errorf("Get: %v", err)
	}
}

func exchange(b *bbolt.Bucket, one, two []byte) error {
	v1, v2 := bytes.Clone(b.Get(one)), bytes.Clone(b.Get(two))
	return errors.Join(b.Put(one, v2), b.Put(two, v1))
}

// TestWithdrawn: a write whose caller goes while another commits never happens.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.writes.leader <- struct{}{} // someone commits
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := s.Put(ctx, "s", secret.Draft{Value: secret.TextValue("x")})
		failed <- err
	}()
	waitUntilQueued(t, s.writes)
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) || !errors.Is(err, secret.Unavailable) {
		t.Errorf("Put: %v", err)
	}
	<-s.writes.leader
	if _, err := s.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get: %v", err)
	}
}

func waitUntilQueued(t *testing.T, g *groupCommit) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		g.mu.Lock()
		n := len(g.queue)
		g.mu.Unlock()
		if n > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the write was never queued")
		}
	}
}

// TestOneOfManyRefused: a refusal does not touch those that share its commit.
func TestOneOfManyRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := s.Put(t.Context(), "taken", secret.Draft{Value: secret.TextValue("x")}); err != nil {
		t.Fatal(err)
	}
	s.writes.leader <- struct{}{}
	names := []secret.Name{"a", "taken", "b"}
	errs := make([]chan error, len(names))
	for i, name := range names {
		errs[i] = make(chan error, 1)
		go func() {
			_, err := s.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("y"), OnlyIfAbsent: true})
			errs[i] <- err
		}()
	}
	waitUntilQueued(t, s.writes)
	<-s.writes.leader
	for i, name := range names {
		if err := <-errs[i]; (name == "taken") != errors.Is(err, secret.AlreadyExists) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestPanic: a plan that panics takes down its own transaction, of which no
// write is acknowledged, and none after it.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.writes.leader <- struct{}{}
	shared := make(chan error, 1)
	go func() {
		_, err := s.Put(t.Context(), "shared", secret.Draft{Value: secret.TextValue("x")})
		shared <- err
	}()
	waitUntilQueued(t, s.writes)
	broken := &pendingWrite{ctx: t.Context(), done: make(chan struct{}), plan: func(*bbolt.Tx) ([]put, error) { panic("plan") }}
	s.writes.mu.Lock()
	s.writes.queue = append(s.writes.queue, broken)
	s.writes.mu.Unlock()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		s.writes.lead() // gives the turn back
	}()
	if err := <-shared; !errors.Is(err, secret.Unknown) {
		t.Errorf("Put that shared the transaction: %v", err)
	}
	if _, err := s.Get(t.Context(), "shared", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("Get of what was rolled back: %v", err)
	}
	if _, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil {
		t.Errorf("Put after a panic: %v", err)
	}
}

// TestOutcome: a commit that failed is Unknown exactly if readers see it.
func TestOutcome(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	last := 0
	err := s.db.Update(func(tx *bbolt.Tx) error {
		last = tx.ID()
		return tx.Bucket(bucketMeta).Put([]byte("test"), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int]bool{0: false, last: true, last + 1: false} {
		if got := s.writes.visible(id); got != want {
			t.Errorf("transaction %d of %d is visible: %v", id, last, got)
		}
	}
	full := fmt.Errorf("file resize error: %s", syscall.ENOSPC) //nolint:errorlint // as bbolt does
	for what, c := range map[string]struct {
		err     error
		visible bool
		kind    secret.Kind
		detail  string
	}{
		"seen":    {errors.New("fsync"), true, secret.Unknown, "confirm"},
		"full":    {fmt.Errorf("write: %w", syscall.ENOSPC), false, secret.Unavailable, "no space"},
		"quota":   {fmt.Errorf("write: %w", syscall.EDQUOT), false, secret.Unavailable, "no space"},
		"grown":   {full, false, secret.Unavailable, "no space"},
		"another": {errors.New("input/output error"), false, secret.Unavailable, "could not write"},
		"closed":  {berrors.ErrDatabaseNotOpen, false, secret.Unavailable, "closed"},
	} {
		err := failure("bolt.put", "s", commitError(c.err, c.visible))
		if secret.KindOf(err) != c.kind || !strings.Contains(secret.DetailOf(err), c.detail) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestNotConfirmed: a caller who goes while the disk hangs is not kept for
// ever, and is not told that nothing was written.
func TestNotConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &pendingWrite{ctx: ctx, done: make(chan struct{})} // a leader has it and never ends
		cancel()
		start := time.Now()
		err := w.wait()
		if took := time.Since(start); took != lastGrace {
			t.Errorf("kept for %v, want %v", took, lastGrace)
		}
		if !errors.Is(err, secret.Unknown) || !errors.Is(err, context.Canceled) {
			t.Errorf("the outcome is %v", err)
		}
	})
}
