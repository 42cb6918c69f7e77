package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// auditedError marks what has its audit line already.
type auditedError struct{ error }

func (e auditedError) Unwrap() error { return e.error }

// Reject writes the audit line of a request that a dialect refuses before any
// operation runs: no valid credentials, a malformed body, an unknown route. Of
// strangers' requests, and of those beyond their caller's rate, only the first ones
// have a line each: see audit.Log.Refuse.
// It does nothing for an error that came from the Service, which has its line.
// A returned error takes the place of err: the line could not be written.
func (s *Service) Reject(ctx context.Context, c Call, r Ref, err error) error {
	var done auditedError
	if errors.As(err, &done) {
		return nil
	}
	kind := secret.KindOf(err)
	if kind == secret.Internal {
		s.log.Error("internal error", slog.String("op", c.Op), slog.String("request_id", c.RequestID), slog.Any("error", err))
	}
	return s.auditRequest(ctx, c, r, err)
}

// Admit writes the audit line of what was done without any store: a login, say.
// If it fails, what would be handed out must not be.
func (s *Service) Admit(c Call) error {
	return s.auditRequest(context.Background(), c, Ref{}, nil)
}

// auditRequest writes the outcome of what no operation ran for.
func (s *Service) auditRequest(ctx context.Context, c Call, r Ref, failed error) error {
	s.observe(Observation{Op: c.Op, Store: r.Store, Result: result(failed)})
	e := audit.Entry{
		Phase: audit.Outcome, RequestID: c.RequestID, Caller: c.Caller.ID, Credential: c.Caller.Credential, Address: c.Address,
		Via: c.Caller.Via, Op: c.Op, Store: r.Store, Name: string(r.Name), Event: r.Event,
		Result: result(failed), Reason: secret.ReasonOf(failed),
	}
	if bound, ok := errors.AsType[*access.BoundError](failed); ok { // its sender is not told, and the operator has to know
		e.Credential, e.Reason = bound.Credential, bound.Error()
	} else if errors.Is(failed, access.ErrCertificate) {
		e.Reason = access.ErrCertificate.Error()
	}
	var told bool
	var err error
	switch {
	case errors.Is(failed, access.ErrRate):
		told, err = s.audit.RefuseRate(e)
	case failed != nil:
		told, err = s.audit.Refuse(e)
	default:
		err = s.audit.Write(e, false)
	}
	if told {
		why := slog.String("reason", e.Reason)
		if e.Reason == "" { // the audit has the result alone
			why = slog.Any("error", failed)
		}
		s.tellRefusal(c, r.Store, trace.SpanContextFromContext(ctx).TraceID(), failed, why)
	}
	if err != nil {
		return &secret.Error{Kind: secret.Internal, Op: c.Op, Err: err}
	}
	return nil
}

// AuditState is how the audit fares.
type AuditState struct {
	FreeBytes int64 // of its disk; negative: not known
	Low       bool  // less than the configured mark
	Damaged   int64 // times that the file was not as the gateway had left it
	FileBytes int64 // of its present file
	// Checkpointed is when it was last time to sign a checkpoint. Zero: none is.
	Checkpointed time.Time
}

// AuditState tells how the audit fares.
func (s *Service) AuditState() AuditState {
	st := s.audit.State()
	return AuditState{FreeBytes: st.Free, Low: st.Low, Damaged: st.Damaged, FileBytes: st.Size, Checkpointed: st.Checkpointed}
}

// AwaitAudit waits as long as a call would for its line.
func (s *Service) AwaitAudit() { s.audit.Await() }

// RotateAudit moves the audit's file to a name with the time, which it returns,
// and goes on in another one, whose first line says who asked.
func (s *Service) RotateAudit(c Call) (string, error) {
	return s.ofAudit(c)(s.audit.Rotate("asked for by " + c.Caller.ID))
}

// CheckpointAudit signs the tree over the audit's lines, and returns the
// checkpoint.
func (s *Service) CheckpointAudit(c Call) (string, error) { return s.ofAudit(c)(s.audit.Checkpoint()) }

func (s *Service) ofAudit(c Call) func(string, error) (string, error) {
	return func(text string, err error) (string, error) {
		if err != nil {
			return "", &secret.Error{Kind: secret.Internal, Op: c.Op, Err: err}
		}
		return text, nil
	}
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

// spent is what a call cost the product.
type spent struct {
	ops     int64
	answers backends.AnswerCounts
}

// outcome writes the line of what happened. After a mutation that may have
// changed the product, a line that cannot be written makes the outcome
// unknown to the caller; a read is simply not answered.
func (s *Service) outcome(j *job, done spent, err error) error {
	took := s.now().Sub(j.start)
	e := j.entry
	e.Phase, e.BackendOps, e.Reason = audit.Outcome, done.ops, secret.ReasonOf(err)
	if err != nil || e.Result == "" { // else the call has said it
		e.Result = result(err)
	}
	e.DurationMS = float64(took.Microseconds()) / 1000
	s.observe(Observation{Op: j.call.Op, Store: j.Name, Result: e.Result, Duration: took, BackendOps: done.ops, Answers: done.answers, Lacking: j.lacking})
	s.warnOfLack(j)
	s.tellRefusal(j.call, j.Name, j.trace, err, slog.Any("error", err))
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
