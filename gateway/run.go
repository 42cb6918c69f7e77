package gateway

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// run is the one way to a product. It authorises, audits, bounds and retries;
// f does the work on the store of r. An empty name in r asks only whether the
// caller may act on some name; f must then ask for the names it meets.
//
// No error leaves run without an audit line, and nothing is answered before
// the line of its outcome is written.
func run[T any](ctx context.Context, s *Service, c Call, a access.Action, r Ref, f func(context.Context, *job) (T, error)) (T, error) {
	var zero T
	st, ok := s.stores[r.Store]
	if !ok {
		return zero, noStore(r.Store)
	}
	j := s.newJob(st, c, a, r)
	defer j.letTrashGo()
	ctx, span := s.startSpan(ctx, j)
	ctx, ops := backends.WithCallCount(ctx)
	out, err := attempt(ctx, s, j, f)
	s.endSpan(span, j, err)
	if a == access.Backup && err == nil {
		st.health.backedUp.Store(time.Now().UnixNano())
	}
	if auditErr := s.outcome(j, spent{ops(), backends.AnswersOf(ctx)}, err); auditErr != nil {
		return zero, auditedError{auditErr}
	}
	if err != nil {
		return zero, auditedError{err}
	}
	return out, nil
}

// attempt does everything between the request and its outcome's line.
func attempt[T any](ctx context.Context, s *Service, j *job, f func(context.Context, *job) (T, error)) (T, error) {
	var zero T
	if err := s.authorise(j); err != nil {
		return zero, err
	}
	if mutates(j.action) && j.action != access.Restore { // a restore first learns what it restores
		if err := s.intend(j); err != nil {
			return zero, err
		}
	}
	if mutates(j.action) {
		defer s.versions.wrote(j.Name, j.ref.Name)
	}
	limited := withTimeout(ctx, orDefault(j.call.Timeout, j.Timeout))
	defer limited.end()
	ctx = limited
	if j.action == access.Backup || j.action == access.Restore {
		release, err := s.acquireBlob(ctx, j)
		if err != nil {
			return zero, err
		}
		defer release()
	}
	since, patient := j.patience()
	if !patient {
		if err := acquire(ctx, j.slots); err != nil {
			return zero, waiting(err)
		}
		defer j.slots.Release(1)
	} else { // which may pause between its requests
		held, err := takeSlot(ctx, j.slots)
		if err != nil {
			return zero, waiting(err)
		}
		defer held.giveBack()
		ctx = kit.WithPatience(ctx, since, s.pauses(j, held))
	}
	j.running.Add(1)
	defer j.running.Add(-1)
	return retry(ctx, j, func(ctx context.Context, j *job) (T, error) {
		out, err := f(ctx, j)
		return out, s.tellTrash(ctx, j, err)
	})
}

// patience is from when on a call waits for a product that refuses it for now. Who
// names his time, as commands do, waits from the start. An API's client comes back, so
// what he reads by one request does not wait; a backup and a list are many.
func (j *job) patience() (since kit.Since, patient bool) {
	switch {
	case j.call.Timeout > 0:
		return kit.SinceStart, true
	case mutates(j.action):
		return kit.SinceWrite, true
	case j.action == access.Backup, j.action == access.List:
		return kit.SinceAnswer, true
	}
	return 0, false
}

// noStore refuses a store that is not there. To whom no route leads anywhere is
// answered as one who may do nothing there: a client that is lost must not take
// its secrets for gone, nor learn which routes there are.
func noStore(name string) error {
	if name == "" {
		return secret.Errorf(secret.Denied, "no route leads to a store")
	}
	return secret.Errorf(secret.NotFound, "no such store")
}

// acquire waits only where there is nothing to take: a caller who has gone is
// refused by the first step of the store.
func acquire(ctx context.Context, slots *semaphore.Weighted) error {
	if slots.TryAcquire(1) {
		return nil
	}
	return slots.Acquire(ctx, 1)
}

func waiting(err error) error {
	return &secret.Error{Kind: secret.Unavailable, Detail: "too many calls to this store are waiting", Err: err}
}

// ReadOnly is the Detail of a Denied write to a store that takes none.
const ReadOnly = "the store is read-only"

// acquireBlob takes a slot for a backup or restore, before the store's slot:
// who waits for this one must not hold that.
func (s *Service) acquireBlob(ctx context.Context, j *job) (release func(), err error) {
	const waiting = "too many backups and restores are waiting"
	if err := j.blobs.Acquire(ctx, 1); err != nil {
		return nil, &secret.Error{Kind: secret.Unavailable, Detail: waiting, Err: err}
	}
	if err := s.blobs.Acquire(ctx, 1); err != nil {
		j.blobs.Release(1)
		return nil, &secret.Error{Kind: secret.Unavailable, Detail: waiting, Err: err}
	}
	s.blobsNow.Add(1)
	return func() {
		s.blobsNow.Add(-1)
		s.blobs.Release(1)
		j.blobs.Release(1)
	}, nil
}

// Blobs returns how many backups and restores run, and how many may at once.
func (s *Service) Blobs() (running, limit int64) { return s.blobsNow.Load(), s.mostBlobs }

func (s *Service) authorise(j *job) error {
	if j.ref.Name == "" {
		if !s.policy.AllowSome(j.call.Caller, j.action, j.Name) {
			return secret.Errorf(secret.Denied, "no permission to %s in this store", j.action)
		}
	} else if !j.allowed(j.ref.Name) {
		return &secret.Error{Kind: secret.Denied, Name: j.ref.Name, Detail: "no permission to " + string(j.action) + " this secret"}
	}
	if j.ReadOnly && mutates(j.action) {
		return secret.Errorf(secret.Denied, ReadOnly)
	}
	return nil
}

// classify gives every error that leaves the service a kind. A deadline
// during a read is the product being slow; during a write nobody knows.
func classify(j *job, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*secret.Error](err); ok {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		k := secret.Unavailable
		if mutates(j.action) {
			k = secret.Unknown
		}
		return &secret.Error{Kind: k, Op: j.call.Op, Name: j.ref.Name, Err: err}
	}
	return &secret.Error{Kind: secret.KindOf(err), Op: j.call.Op, Name: j.ref.Name, Err: err}
}
