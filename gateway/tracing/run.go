package tracing

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/vaultferry/vaultferry/secret"
)

// runKey is the attribute of a run's span that says which one it is. Such spans
// are always recorded: there are few.
const runKey = attribute.Key("vaultferry.run")

// Run begins the span of a long work on many secrets, of which id is what the audit
// calls its calls. Each of its parts is a trace of its own: see Part. A nil Tracer
// makes no span.
func (t *Tracer) Run(ctx context.Context, name, id string, about map[string]string) (context.Context, func(error)) {
	if t == nil {
		return ctx, func(error) {}
	}
	all := []attribute.KeyValue{runKey.String(id)}
	for key, value := range about {
		all = append(all, attribute.String(key, value))
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(all...))
	return ctx, func(err error) { end(span, err) }
}

// Part begins a trace of the work on one secret, with a link to the run of ctx. As
// many of them are recorded as of requests. Without a run there is no span.
func Part(ctx context.Context, name string) (context.Context, func(error)) {
	run := trace.SpanFromContext(ctx)
	if !run.IsRecording() {
		return ctx, func(error) {}
	}
	ctx, span := run.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: run.SpanContext()}))
	return ctx, func(err error) { end(span, err) }
}

// end says how it went, in a word that holds no name.
func end(span trace.Span, err error) {
	if !span.IsRecording() {
		return
	}
	result := "ok"
	switch {
	case errors.Is(err, context.Canceled):
		result = "interrupted"
	case err != nil:
		result = secret.KindOf(err).Error()
	}
	span.SetAttributes(attribute.String("vaultferry.result", result))
	if err != nil {
		span.SetStatus(codes.Error, result)
	}
	span.End()
}

// Inject tells the gateway at the other end of a request which trace of ctx the
// request belongs to.
func Inject(ctx context.Context, h http.Header) { w3c.Inject(ctx, propagation.HeaderCarrier(h)) }

// Commands makes spans of commands' requests, which the system vouches for: the
// command has decided whether they are traced, and MaxForced is not for them. A nil
// Tracer makes none.
func (t *Tracer) Commands(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	inner := t.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from := trace.SpanContextFromContext(w3c.Extract(r.Context(), carrier(r.Header))); from.IsValid() {
			r = r.WithContext(trace.ContextWithSpanContext(r.Context(), from.WithRemote(false)))
			r.Header.Del("Traceparent")
		}
		inner.ServeHTTP(w, r)
	})
}

// rootSampler decides about traces that begin here. About requests Handler has
// decided.
type rootSampler struct{ parts sdktrace.Sampler }

// ShouldSample implements sdktrace.Sampler.
func (s rootSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.Kind == trace.SpanKindServer {
		return sdktrace.AlwaysSample().ShouldSample(p)
	}
	for _, a := range p.Attributes {
		if a.Key == runKey {
			return sdktrace.AlwaysSample().ShouldSample(p)
		}
	}
	return s.parts.ShouldSample(p)
}

// Description implements sdktrace.Sampler.
func (rootSampler) Description() string { return "Root" }
