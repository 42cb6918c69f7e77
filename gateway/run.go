package gateway

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// job is one call on its way through run.
type job struct {
	*store
	call   Call
	action access.Action
	ref    Ref
	blob   []byte // of a restore
	entry  audit.Entry
	start  time.Time
	// intended: the line of intent is written.
	intended bool
	enabled  []secret.Ordinal // disabled versions that were enabled to be read
	policy   *access.Policy
}

// allowed is how an operation asks for a name that it learnt midway.
func (j *job) allowed(name secret.Name) bool {
	return j.policy.Allow(j.call.Caller, j.action, j.target(name))
}

func (j *job) target(name secret.Name) access.Target {
	return access.Target{Store: j.Name, Name: name, FoldCase: j.caps.FoldsCase}
}

// mutates reports whether the action changes the store.
func mutates(a access.Action) bool {
	return a != access.Get && a != access.List && a != access.Backup
}

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
		return zero, secret.Errorf(secret.NotFound, "no such store")
	}
	j := s.newJob(st, c, a, r)
	ctx, ops := backends.WithCallCount(ctx)
	out, err := attempt(ctx, s, j, f)
	if auditErr := s.outcome(j, ops(), err); auditErr != nil {
		return zero, auditedError{auditErr}
	}
	if err != nil {
		return zero, auditedError{err}
	}
	return out, nil
}

func (s *Service) newJob(st *store, c Call, a access.Action, r Ref) *job {
	return &job{store: st, call: c, action: a, ref: r, start: s.now(), policy: s.policy, entry: audit.Entry{
		RequestID: c.RequestID, Caller: c.Caller.ID, Address: c.Address, Via: c.Caller.Via,
		Op: c.Op, Action: string(a), Store: r.Store, Name: string(r.Name), Event: r.Event,
	}}
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
	ctx, cancel := context.WithTimeout(ctx, j.Timeout)
	defer cancel()
	if j.action == access.Backup || j.action == access.Restore {
		release, err := s.acquireBlob(ctx, j)
		if err != nil {
			return zero, err
		}
		defer release()
	}
	if err := j.slots.Acquire(ctx, 1); err != nil {
		return zero, waiting(err)
	}
	defer j.slots.Release(1)
	return retry(ctx, j, func(ctx context.Context, j *job) (T, error) {
		out, err := f(ctx, j)
		return out, s.tellTrash(ctx, j, err)
	})
}

func waiting(err error) error {
	return &secret.Error{Kind: secret.Unavailable, Detail: "too many calls to this store are waiting", Err: err}
}

// tellTrash tells what is in the trash from what is not there at all, where
// the call wants to know.
func (s *Service) tellTrash(ctx context.Context, j *job, err error) error {
	if !j.call.TellTrash || j.ref.Name == "" || !errors.Is(err, secret.NotFound) {
		return err
	}
	if held := s.heldByTrash(ctx, j, j.ref.Name); held != nil {
		return held
	}
	return err
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
	return func() {
		s.blobs.Release(1)
		j.blobs.Release(1)
	}, nil
}

// intend writes the line of what is about to be done, once however often it
// is tried.
func (s *Service) intend(j *job) error {
	if j.intended {
		return nil
	}
	intent := j.entry
	intent.Phase = audit.Intent
	if err := s.audit.Write(intent, true); err != nil {
		return &secret.Error{Kind: secret.Internal, Op: j.call.Op, Err: err}
	}
	j.intended = true
	return nil
}

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

// Retries are few and short: the caller retries too.
const (
	maxAttempts = 3
	retryBase   = 50 * time.Millisecond
	retryMax    = 5 * time.Second
)

// retry repeats what provably changed nothing: kinds Unavailable and
// Throttled say so of reads and writes alike. Everything else is final.
func retry[T any](ctx context.Context, j *job, f func(context.Context, *job) (T, error)) (T, error) {
	for n := 1; ; n++ {
		out, err := f(ctx, j)
		err = classify(j, err)
		if !errors.Is(ctx.Err(), context.Canceled) { // a client that left says nothing of the product
			j.health.observe(err)
		}
		if err == nil || n == maxAttempts || !retryable(err) {
			return out, err
		}
		if !wait(ctx, retryDelay(n, err)) {
			return out, err
		}
	}
}

func retryable(err error) bool {
	k := secret.KindOf(err)
	return k == secret.Unavailable || k == secret.Throttled
}

func retryDelay(n int, err error) time.Duration {
	var e *secret.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	d := retryBase << (2 * (n - 1))
	return d + rand.N(d) //nolint:gosec // jitter, not a secret
}

// wait returns false at once where d does not fit: the error in hand tells
// the caller more than a deadline would.
func wait(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	if d > retryMax || (ok && time.Until(deadline) < d) {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outcome writes the line of what happened. After a mutation that may have
// changed the product, a line that cannot be written makes the outcome
// unknown to the caller; a read is simply not answered.
func (s *Service) outcome(j *job, ops int64, err error) error {
	took := s.now().Sub(j.start)
	e := j.entry
	e.Phase, e.BackendOps, e.Result = audit.Outcome, ops, result(err)
	e.DurationMS = float64(took.Microseconds()) / 1000
	s.observe(Observation{Op: j.call.Op, Store: j.Name, Result: e.Result, Duration: took, BackendOps: ops})
	auditErr := s.audit.Write(e, mutates(j.action) || j.intended)
	if auditErr == nil {
		if err != nil && secret.KindOf(err) == secret.Internal {
			s.log.Error("internal error", slog.String("op", j.call.Op), slog.String("store", j.Name),
				slog.String("request_id", j.call.RequestID), slog.Any("error", err))
		}
		return nil
	}
	s.log.Error("audit line lost", slog.String("request_id", j.call.RequestID), slog.Any("error", auditErr))
	kind := secret.Internal
	if mutates(j.action) && mayHaveChanged(err) {
		kind = secret.Unknown
	}
	return &secret.Error{Kind: kind, Op: j.call.Op, Err: auditErr}
}

func mayHaveChanged(err error) bool {
	return err == nil || errors.Is(err, secret.Unknown) || errors.Is(err, secret.Partial)
}

func result(err error) string {
	if err == nil {
		return "ok"
	}
	return secret.KindOf(err).Error()
}

// classify gives every error that leaves the service a kind. A deadline
// during a read is the product being slow; during a write nobody knows.
func classify(j *job, err error) error {
	var e *secret.Error
	if err == nil || errors.As(err, &e) {
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
