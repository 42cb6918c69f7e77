// Package tracing tells a collector what each request was, and how long each
// part of it took: traces of OpenTelemetry, sent by OTLP over HTTP. No span holds
// a value.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope is what spans name as the code that made them.
const scope = "github.com/vaultferry/vaultferry"

// Options make a Tracer.
type Options struct {
	Endpoint string // the URL that takes traces: https://HOST:4318/v1/traces
	Client   *http.Client
	Headers  map[string]string // of each export; may hold credentials
	// Sample is the part of the requests that are traced, from 0 to 1, where the
	// client has not decided it, or more than MaxForced a second are so decided.
	Sample  float64
	Version string // of the program
	Log     *slog.Logger
}

// Tracer makes the spans of requests and sends them. No request waits for that:
// what cannot be sent is lost.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	sample   float64
}

var w3c propagation.TraceContext

// New sends nothing yet, so it does not fail where the collector is down.
func New(ctx context.Context, o Options) (*Tracer, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.Endpoint), otlptracehttp.WithHTTPClient(o.Client),
		otlptracehttp.WithHeaders(o.Headers), otlptracehttp.WithCompression(otlptracehttp.NoCompression))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "vaultferry"), attribute.String("service.version", o.Version)),
		resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	otel.SetErrorHandler(&quiet{log: o.Log, now: time.Now}) // the library has one for all
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about),
		sdktrace.WithSampler(newSampler(o.Sample, time.Now)))
	return &Tracer{p, p.Tracer(scope, trace.WithInstrumentationVersion(o.Version)), o.Sample}, nil
}

// Close sends what is left, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("tracing: %w", err)
	}
	return nil
}

// Handler makes a span of each request, as a part of the client's trace where
// that says of which. Whoever sends the request may be a stranger, so a span holds
// nothing of it but what is bounded.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t.passes(r) {
			next.ServeHTTP(w, r)
			return
		}
		name, method := methodOf(r)
		ctx := r.Context()
		if len(r.Header["Traceparent"]) > 0 {
			ctx = w3c.Extract(ctx, carrier(r.Header))
		}
		ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
		if !span.IsRecording() {
			next.ServeHTTP(w, r.WithContext(ctx))
			return
		}
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			span.SetAttributes(attribute.String("http.request.method", method), attribute.Int("http.response.status_code", s.status),
				attribute.String("network.protocol.version", version(r)))
			span.End()
		}()
		next.ServeHTTP(s, r.WithContext(ctx))
	})
}

// passes decides about a request that begins a trace, before anything is made for
// one: most are not traced.
func (t *Tracer) passes(r *http.Request) bool {
	begins := len(r.Header["Traceparent"]) == 0 && !trace.SpanContextFromContext(r.Context()).IsValid()
	return begins && rand.Float64() >= t.sample //nolint:gosec // nothing secret hangs on it
}

// methodOf names the span of a request and its method, as the conventions of
// OpenTelemetry have it: a method that is none has a word for all such.
func methodOf(r *http.Request) (name, method string) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return r.Method, r.Method
	}
	return "HTTP", "_OTHER"
}

// maxState is how long a tracestate is that is passed on: what the standard asks
// for.
const maxState = 512

// carrier is what a request says of its trace.
func carrier(h http.Header) propagation.HeaderCarrier {
	c := propagation.HeaderCarrier{"Traceparent": h["Traceparent"]}
	if state := h["Tracestate"]; len(strings.Join(state, ",")) <= maxState {
		c["Tracestate"] = state
	}
	return c
}

func version(r *http.Request) string {
	if r.ProtoMajor == 2 {
		return "2"
	}
	return strings.TrimPrefix(r.Proto, "HTTP/")
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// quiet tells at most once a minute that traces are lost.
type quiet struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last time.Time
}

// Handle implements otel.ErrorHandler.
func (q *quiet) Handle(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now := q.now(); now.Sub(q.last) >= time.Minute {
		q.last = now
		q.log.Warn("traces could not be sent", slog.Any("error", err))
	}
}
