package gateway

import (
	"context"
	"errors"
	"io"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Snapshot writes one state of a whole store, a file, while its callers go on.
// What was written before an error is no store. Unlike other calls it has no
// deadline but that of ctx. Action: backup, of every name.
//
// It is audited as a change is, for its first byte leaves before its outcome
// is known.
func (s *Service) Snapshot(ctx context.Context, c Call, store string, w io.Writer) error {
	_, err := wholeOpenStore(ctx, s, c, access.Backup, store, func(ctx context.Context, o optional) (struct{}, error) {
		if o.file == nil {
			return struct{}{}, errNoFile
		}
		return struct{}{}, o.file.Snapshot(ctx, w)
	})
	return err
}

// Verify looks through a whole store while its callers go on. Like Snapshot
// it has no deadline of its own. Action: list, of every name.
func (s *Service) Verify(ctx context.Context, c Call, store string) (*backends.Findings, error) {
	return wholeOpenStore(ctx, s, c, access.List, store, func(ctx context.Context, o optional) (*backends.Findings, error) {
		if o.verifier == nil {
			return nil, errNoFile
		}
		return o.verifier.Verify(ctx)
	})
}

// WholeStore authorises and audits f, which does something to all of a store
// that this service does not have open. Only Name and ReadOnly of st matter.
// The action is of every name.
func (s *Service) WholeStore(ctx context.Context, c Call, a access.Action, st Store, f func(context.Context) error) error {
	return s.runWholeStore(ctx, s.newJob(&store{Store: st}, c, a, Ref{Store: st.Name}), f)
}

var errNoFile = errors.New("the store has no such part")

// wholeOpenStore is WholeStore for one who calls an optional part of an open
// store's backend. One at a time goes through a store.
func wholeOpenStore[T any](ctx context.Context, s *Service, c Call, a access.Action, name string, f func(context.Context, optional) (T, error)) (out T, err error) {
	st, ok := s.stores[name]
	if !ok {
		return out, secret.Errorf(secret.NotFound, "no such store")
	}
	err = s.runWholeStore(ctx, s.newJob(st, c, a, Ref{Store: name}), func(ctx context.Context) error {
		if !st.wholeStore.TryAcquire(1) {
			return secret.Errorf(secret.Unavailable, "another backup or check of the whole store is running")
		}
		defer st.wholeStore.Release(1)
		if out, err = f(ctx, st.optional); errors.Is(err, errNoFile) {
			return secret.Errorf(secret.Unsupported, "a store of kind %s cannot do this as a whole", st.Kind)
		}
		return err
	})
	return out, err
}

func (s *Service) runWholeStore(ctx context.Context, j *job, f func(context.Context) error) error {
	ctx, span := s.startSpan(ctx, j)
	ctx, ops := backends.WithCallCount(ctx)
	err := s.authoriseWholeStore(j)
	if err == nil {
		err = s.intend(j)
	}
	if err == nil {
		err = classify(j, f(ctx))
	}
	s.endSpan(span, j, err)
	if auditErr := s.outcome(j, spent{ops: ops()}, err); auditErr != nil {
		return auditedError{auditErr}
	}
	if err != nil {
		return auditedError{err}
	}
	return nil
}

func (s *Service) authoriseWholeStore(j *job) error {
	switch {
	case !s.policy.AllowWhole(j.call.Caller, j.action, j.Name):
		return secret.Errorf(secret.Denied, "no permission to %s all of this store", j.action)
	case j.ReadOnly && mutates(j.action):
		return secret.Errorf(secret.Denied, ReadOnly)
	}
	return nil
}
