package tracing

import (
	"math/rand/v2"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// MaxForced is how many requests a second are traced because their clients have
// decided it. Nobody has proved who he is yet where a trace begins.
const MaxForced = 100

// newSampler traces a fraction of the requests, and of those whose client wants
// them traced as many as are not too many.
func newSampler(fraction float64, now func() time.Time) sdktrace.Sampler {
	asked := &asked{rate.NewLimiter(MaxForced, MaxForced), fraction, now}
	return sdktrace.ParentBased(rootSampler{sdktrace.TraceIDRatioBased(fraction)}, sdktrace.WithRemoteParentSampled(asked))
}

// asked decides about requests that ask to be traced.
type asked struct {
	room     *rate.Limiter
	fraction float64
	now      func() time.Time
}

// ShouldSample implements sdktrace.Sampler. Where there is no room it does not go
// by the trace's id, which the client has chosen.
func (a *asked) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	r := sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	if a.room.AllowN(a.now(), 1) || rand.Float64() < a.fraction { //nolint:gosec // nothing secret hangs on it
		r.Decision = sdktrace.RecordAndSample
	}
	return r
}

// Description implements sdktrace.Sampler.
func (*asked) Description() string { return "Asked" }
