package kit

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var w3c propagation.TraceContext

// startSpan begins the span of a request to a product, where the call is traced.
// Paths are left out: they hold the names of secrets.
func startSpan(ctx context.Context, r *http.Request) (context.Context, trace.Span) {
	call := trace.SpanFromContext(ctx)
	if !call.IsRecording() {
		return ctx, call
	}
	return call.TracerProvider().Tracer("").Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Hostname())))
}

// withParent tells the product which trace the request belongs to.
func withParent(ctx context.Context, r *http.Request) *http.Request {
	r = r.Clone(ctx)
	w3c.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return r
}

func endSpan(span trace.Span, resp *http.Response, err error) {
	if !span.IsRecording() {
		return
	}
	switch {
	case err != nil:
		span.SetStatus(codes.Error, "no answer")
	default:
		span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
		if resp.StatusCode >= http.StatusBadRequest {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}
