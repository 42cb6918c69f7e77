package gateway

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/vaultferry/vaultferry/secret"
)

// startSpan begins the span of an operation, where the request is traced. The
// name of the secret is told where Options.TraceNames allows it.
func (s *Service) startSpan(ctx context.Context, j *job) (context.Context, trace.Span) {
	request := trace.SpanFromContext(ctx)
	if !request.IsRecording() {
		return ctx, request
	}
	ctx, span := request.TracerProvider().Tracer("").Start(ctx, j.call.Op)
	span.SetAttributes(attribute.String("vaultferry.store", j.Name), attribute.String("vaultferry.action", string(j.action)),
		attribute.String("vaultferry.request_id", j.call.RequestID))
	if s.traceNames && j.ref.Name != "" {
		span.SetAttributes(attribute.String("vaultferry.secret", string(j.ref.Name)))
	}
	return ctx, span
}

// endSpan says how it went. Only what the gateway or the product is to blame for
// is an error.
func endSpan(span trace.Span, err error) {
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("vaultferry.result", result(err)))
	if err != nil {
		switch secret.KindOf(err) {
		case secret.Internal, secret.Unavailable, secret.Unknown, secret.Upstream, secret.Partial:
			span.SetStatus(codes.Error, result(err))
		default:
		}
	}
	span.End()
}

// tellRefusal says at level debug why a call failed.
func (s *Service) tellRefusal(span trace.Span, j *job, err error) {
	if err == nil || !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	about := []any{slog.String("op", j.call.Op), slog.String("store", j.Name), slog.String("caller", j.call.Caller.ID), slog.String("request_id", j.call.RequestID)}
	if id := span.SpanContext().TraceID(); id.IsValid() {
		about = append(about, slog.String("trace_id", id.String()))
	}
	s.log.Debug("refused", append(about, slog.String("result", result(err)), slog.Any("error", err))...)
}
