package gateway

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/vaultferry/vaultferry/secret"
)

// startSpan begins the span of an operation, where the request is traced.
func (s *Service) startSpan(ctx context.Context, j *job) (context.Context, trace.Span) {
	request := trace.SpanFromContext(ctx)
	j.trace = request.SpanContext().TraceID()
	if !request.IsRecording() {
		return ctx, request
	}
	return request.TracerProvider().Tracer("").Start(ctx, j.call.Op)
}

// endSpan says what it was, all at once, and how it went. The name of the secret is
// told where Options.TraceNames allows it. Only what the gateway or the product is to
// blame for is an error.
func (s *Service) endSpan(span trace.Span, j *job, err error) {
	if !span.IsRecording() {
		return
	}
	about := append(make([]attribute.KeyValue, 0, 5), attribute.String("vaultferry.store", j.Name), attribute.String("vaultferry.action", string(j.action)),
		attribute.String("vaultferry.request_id", j.call.RequestID), attribute.String("vaultferry.result", result(err)))
	if s.traceNames && j.ref.Name != "" {
		about = append(about, attribute.String("vaultferry.secret", string(j.ref.Name)))
	}
	span.SetAttributes(about...)
	if err != nil {
		switch secret.KindOf(err) {
		case secret.Internal, secret.Unavailable, secret.Unknown, secret.Upstream, secret.Partial:
			span.SetStatus(codes.Error, result(err))
		default:
		}
	}
	span.End()
}

// tellRefusal says at level debug why a call failed, for each that has a line of its
// own in the audit: nobody fills a log.
func (s *Service) tellRefusal(c Call, store string, id trace.TraceID, err error, why slog.Attr) {
	if err == nil || !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	about := []any{slog.String("op", c.Op), slog.String("store", store), slog.String("caller", c.Caller.ID), slog.String("request_id", c.RequestID)}
	if id.IsValid() {
		about = append(about, slog.String("trace_id", id.String()))
	}
	s.log.Debug("refused", append(about, slog.String("result", result(err)), why)...)
}
