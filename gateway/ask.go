package gateway

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// Ask reports whether the caller may do the action to the name of r, or without
// one to some name in the store. A dialect asks before it takes a large body,
// and refuses with the error, which is what the operation itself would say, and
// has its audit line. The operation asks again.
func (s *Service) Ask(ctx context.Context, c Call, a access.Action, r Ref) error {
	st, ok := s.stores[r.Store]
	if !ok {
		return noStore(r.Store)
	}
	j := s.newJob(st, c, a, r)
	j.trace = trace.SpanContextFromContext(ctx).TraceID()
	err := s.authorise(j)
	if err == nil {
		return nil
	}
	if auditErr := s.outcome(j, spent{}, err); auditErr != nil {
		err = auditErr
	}
	return auditedError{err}
}
