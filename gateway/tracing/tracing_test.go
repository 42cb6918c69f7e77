package tracing

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
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
	x.Tracer = &Tracer{p, p.Tracer(scope)}
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
	half := newTraced(t, 0.5)
	for i := range asks { // ids that are below every fraction
		half.ask(http.MethodGet, "Traceparent", parent(i+1, true))
	}
	if n := len(half.spans.GetSpans()); n < asks*2/5 || n > asks*7/10 {
		t.Errorf("%d of %d are traced where half are", n, asks)
	}
}
