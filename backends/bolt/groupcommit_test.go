package bolt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/vaultferry/vaultferry/secret"
)

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
