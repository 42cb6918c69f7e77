package migrate_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// allowance is what a product allows, of whoever asks.
type allowance interface{ take(now time.Time) bool }

// bucket holds so many tokens, and gets so many each second.
type bucket struct{ *rate.Limiter }

func (b bucket) take(now time.Time) bool { return b.AllowN(now, 1) }

// window allows so many requests in each so long a time.
type window struct {
	most  int
	span  time.Duration
	began time.Time
	n     int
}

func (w *window) take(now time.Time) bool {
	if now.Sub(w.began) >= w.span {
		w.began, w.n = now.Truncate(w.span), 0
	}
	w.n++
	return w.n <= w.most
}

// product answers each request after a while.
type product struct {
	allows allowance
	late   time.Duration
	after  time.Duration // what it says when it refuses

	mu sync.Mutex
}

// load is a run: so many workers, each call some requests one after the other.
type load struct {
	pace *migrate.Pace
	took taken
}

type taken struct{ good, refused int }

func (p *product) request(ctx context.Context, l *load) error {
	backends.CountCall(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	time.Sleep(p.late) //nolint:forbidigo // in a bubble
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.allows.take(time.Now()) {
		l.took.good++
		return nil
	}
	l.took.refused++
	backends.Refused(ctx, p.after)
	return &secret.Error{Kind: secret.Throttled, RetryAfter: p.after}
}

// run works until ctx ends.
func (p *product) run(ctx context.Context, l *load, workers int) {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				_ = l.pace.Do(ctx, func(ctx context.Context) error {
					for range 5 {
						if err := p.request(ctx, l); err != nil {
							return err
						}
					}
					return nil
				})
			}
		})
	}
	all.Wait()
}

// TestPaceShares: with all the goroutines of real runs, and time that is not real, it is
// as TestPaceModel says. Which of them comes first is chance here, so the shares are
// held a little less; -v prints the figures of a minute, the first ten seconds apart.
func TestPaceShares(t *testing.T) {
	t.Parallel()
	const perSecond = 400
	for _, tt := range []struct {
		name        string
		allows      func() allowance
		late, after time.Duration
		ceiling     float64
		starts      []time.Duration // of each run
		used        float64         // of what is allowed, at least
		refused     float64         // of what is asked, at most
		share       float64         // of each run, at least
	}{
		{"a bucket", func() allowance { return bucket{rate.NewLimiter(perSecond, perSecond)} }, 5 * time.Millisecond, 0, 1000, []time.Duration{0}, 0.97, 0.01, 1},
		{"a small bucket", func() allowance { return bucket{rate.NewLimiter(perSecond, 40)} }, 5 * time.Millisecond, 0, 1000, []time.Duration{0}, 0.97, 0.01, 1},
		{"far away", func() allowance { return bucket{rate.NewLimiter(perSecond, 40)} }, 60 * time.Millisecond, 0, 1000, []time.Duration{0}, 0.97, 0.01, 1},
		{"no ceiling", func() allowance { return bucket{rate.NewLimiter(perSecond, perSecond)} }, 5 * time.Millisecond, 0, 0, []time.Duration{0}, 0.97, 0.01, 1},
		{"it says how long to wait", func() allowance { return bucket{rate.NewLimiter(perSecond, perSecond)} }, 5 * time.Millisecond, time.Second, 1000, []time.Duration{0}, 0.97, 0.01, 1},
		{"two runs", func() allowance { return bucket{rate.NewLimiter(perSecond, perSecond)} }, 5 * time.Millisecond, 0, 1000, []time.Duration{0, 0}, 0.97, 0.0125, 0.25},
		{"one comes later", func() allowance { return bucket{rate.NewLimiter(perSecond, perSecond)} }, 5 * time.Millisecond, 0, 1000, []time.Duration{0, 20 * time.Second}, 0.97, 0.0125, 0.25},
		{"a fixed window", func() allowance { return &window{most: 10 * perSecond, span: 10 * time.Second} }, 5 * time.Millisecond, 0, 1000, []time.Duration{0}, 0.9, 0.05, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &product{allows: tt.allows(), late: tt.late, after: tt.after}
				loads := make([]*load, len(tt.starts))
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				for i, start := range tt.starts {
					loads[i] = &load{pace: migrate.NewPace(tt.ceiling, 32)}
					all.Go(func() {
						time.Sleep(start) //nolint:forbidigo // in a bubble
						p.run(ctx, loads[i], 32)
					})
				}
				time.Sleep(tt.starts[len(tt.starts)-1] + 10*time.Second) //nolint:forbidigo // in a bubble
				before := totals(p, loads)
				time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
				after := totals(p, loads)
				cancel()
				all.Wait()
				var good, refused int
				for i := range loads {
					good += after[i].good - before[i].good
					refused += after[i].refused - before[i].refused
				}
				used, turned := float64(good)/(60*perSecond), float64(refused)/float64(good+refused)
				least := 1.0
				for i := range loads {
					least = min(least, float64(after[i].good-before[i].good)/float64(good))
				}
				said := fmt.Sprintf("%.1f %% used, %.2f %% refused, the smallest share %.0f %%", used*100, turned*100, least*100)
				t.Log("["+strings.ReplaceAll(tt.name, " ", "_")+"]", said)
				if used < tt.used || turned > tt.refused || least < tt.share {
					t.Error(said)
				}
			})
		})
	}
}

func totals(p *product, loads []*load) []taken {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []taken
	for _, l := range loads {
		out = append(out, l.took)
	}
	return out
}
