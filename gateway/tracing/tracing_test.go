package tracing

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/vaultferry/vaultferry/secret"
)

// traced is a tracer whose spans are kept.
type traced struct {
	*Tracer
	spans *tracetest.InMemoryExporter

	mu  sync.Mutex
	now time.Time
}

func newTraced(t *testing.T, fraction float64) *traced {
	t.Helper()
	x := &traced{spans: tracetest.NewInMemoryExporter(), now: time.Unix(1_700_000_000, 0)}
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(x.spans), sdktrace.WithSampler(newSampler(fraction, func() time.Time {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.now
	})))
	x.Tracer = &Tracer{p, p.Tracer(scope), fraction}
	return x
}

func (x *traced) ask(method string, header ...string) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Method = method
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	x.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
}

// parent is a client's, of the trace with the number.
func parent(trace int, sampled bool) string {
	flags := "00"
	if sampled {
		flags = "01"
	}
	return fmt.Sprintf("00-%032x-00f067aa0ba902b7-%s", trace, flags)
}

// TestStrangersWords: no span holds what a stranger made up.
func TestStrangersWords(t *testing.T) {
	t.Parallel()
	x := newTraced(t, 1)
	long := strings.Repeat("X", 60<<10)
	x.ask(http.MethodPatch)
	x.ask(long)
	x.ask("get")
	x.ask(http.MethodGet, "Traceparent", parent(1, true), "Tracestate", "a="+strings.Repeat("b", 200)+",c="+strings.Repeat("d", 200)+",e="+strings.Repeat("f", 200))
	x.ask(http.MethodGet, "Traceparent", parent(2, true), "Tracestate", "a=b")
	var said []string
	for _, s := range x.spans.GetSpans() {
		method := ""
		for _, a := range s.Attributes {
			if a.Key == "http.request.method" {
				method = a.Value.AsString()
			}
		}
		said = append(said, s.Name+" "+method+" "+s.SpanContext.TraceState().String())
	}
	if want := "PATCH PATCH |HTTP _OTHER |HTTP _OTHER |GET GET |GET GET a=b"; strings.Join(said, "|") != want {
		t.Errorf("%.400q", said)
	}
}

// TestForced: clients decide about so many requests a second, whichever traces
// they name; the rest are sampled as all others are.
func TestForced(t *testing.T) {
	t.Parallel()
	const asks = 1000
	x := newTraced(t, 0)
	for i := range asks {
		x.ask(http.MethodGet, "Traceparent", parent(i+1, true))
		x.ask(http.MethodGet, "Traceparent", parent(i+1, false))
		x.ask(http.MethodGet)
	}
	if n := len(x.spans.GetSpans()); n != MaxForced {
		t.Errorf("%d of %d are traced at once", n, asks)
	}
	x.mu.Lock()
	x.now = x.now.Add(100 * time.Millisecond)
	x.mu.Unlock()
	for i := range asks {
		x.ask(http.MethodGet, "Traceparent", parent(i+1, true))
	}
	if n := len(x.spans.GetSpans()) - MaxForced; n != MaxForced/10 {
		t.Errorf("%d in the next tenth of a second", n)
	}
	x = newTraced(t, 0.5)
	for range asks { // who decides nothing
		x.ask(http.MethodGet)
	}
	if n := len(x.spans.GetSpans()); n < asks*2/5 || n > asks*3/5 {
		t.Errorf("%d of %d are traced where half are", n, asks)
	}
	half := newTraced(t, 0.5)
	for i := range asks { // ids that are below every fraction
		half.ask(http.MethodGet, "Traceparent", parent(i+1, true))
	}
	if n := len(half.spans.GetSpans()); n < asks*2/5 || n > asks*7/10 {
		t.Errorf("%d of %d are traced where half are", n, asks)
	}
}

// TestCommands: what a command has decided holds for all its requests, in the trace
// that it names.
func TestCommands(t *testing.T) {
	t.Parallel()
	const asks = 10 * MaxForced
	x := newTraced(t, 0)
	h := x.Commands(http.NotFoundHandler())
	for i := range asks {
		for _, sampled := range []bool{true, false} {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("Traceparent", parent(i+1, sampled))
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	spans := x.spans.GetSpans()
	if len(spans) != asks {
		t.Errorf("%d of %d are traced", len(spans), asks)
	}
	if s := spans[0]; s.Parent.SpanID().String() != "00f067aa0ba902b7" || s.SpanContext.TraceID() != s.Parent.TraceID() {
		t.Errorf("a request: %+v", s)
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	if n := len(x.spans.GetSpans()); n != asks {
		t.Error("a command that has decided nothing is traced where nothing is sampled")
	}
}

// TestRun: a run is recorded always, its parts as often as requests, and nothing is
// made where there is no tracer or no run.
func TestRun(t *testing.T) {
	t.Parallel()
	var none *Tracer
	ctx, done := none.Run(t.Context(), "run", "id", nil)
	_, ended := Part(ctx, "part")
	ended(nil)
	done(nil)
	for _, fraction := range []float64{0, 1} {
		x := newTraced(t, fraction)
		_, stray := Part(t.Context(), "stray")
		stray(nil)
		ctx, done := x.Run(t.Context(), "run", "id", map[string]string{"vaultferry.from": "old"})
		_, ended := Part(ctx, "part")
		ended(&secret.Error{Kind: secret.NotFound, Name: "canary", Detail: "canary"})
		done(context.Canceled)
		spans := x.spans.GetSpans()
		if len(spans) != 1+int(fraction) || spans[len(spans)-1].Name != "run" {
			t.Fatalf("of %v: %+v", fraction, spans)
		}
		run := spans[len(spans)-1]
		if s := fmt.Sprint(run.Attributes, run.Status); !strings.Contains(s, "interrupted") || !strings.Contains(s, "old") {
			t.Errorf("the run: %s", s)
		}
		if fraction == 0 {
			continue
		}
		part := spans[0]
		if part.Name != "part" || part.Parent.IsValid() || part.SpanContext.TraceID() == run.SpanContext.TraceID() ||
			len(part.Links) != 1 || part.Links[0].SpanContext.SpanID() != run.SpanContext.SpanID() {
			t.Errorf("the part: %+v", part)
		}
		if s := fmt.Sprint(part.Attributes, part.Status); !strings.Contains(s, "not found") || strings.Contains(s, "canary") {
			t.Errorf("the part: %s", s)
		}
	}
}
