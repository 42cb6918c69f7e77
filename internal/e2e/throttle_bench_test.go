package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// What the product of BenchmarkThrottled allows, and the --rate of its runs.
const (
	allowedPerSecond = 400
	askedPerSecond   = 1000
	throttledSecrets = 8000 // more than get through
)

// BenchmarkThrottled moves secrets of three versions into a product that allows 400
// requests a second, over TLS, for a minute, with the ten seconds before it apart. Used is
// the part of what it allows, to be at least 97 %; refused is the part of the requests
// that it answers with 429, to be at most 1 %; least is the share of the run that gets
// least, of two to be at least 35 %. The product is a gateway with a limit before it,
// which answers as Key Vault does, with a Retry-After of one second, or as CSMS does,
// without. Of a window, which allows 4000 requests in each ten seconds, the figures are
// reported alone.
//
// Unlimited is how many requests a second there were before the product had a limit: where
// they are fewer than 1000 for each run, the machine was too busy to ask for so many.
func BenchmarkThrottled(b *testing.B) {
	bucket := func() allows { return rate.NewLimiter(allowedPerSecond, allowedPerSecond).Allow }
	for _, bb := range []struct {
		name   string
		target func(testing.TB, *gatewaytest.Gateway) backends.Backend
		refuse http.HandlerFunc
		limit  func() allows
		runs   int
	}{
		{"keyvault", throttledKeyVault, refusesAsKeyVault, bucket, 1},
		{"csms", throttledCSMS, refusesAsCSMS, bucket, 1},
		{"keyvault-two", throttledKeyVault, refusesAsKeyVault, bucket, 2},
		{"csms-two", throttledCSMS, refusesAsCSMS, bucket, 2},
		{"keyvault-window", throttledKeyVault, refusesAsKeyVault, func() allows { return windowOf(10 * time.Second) }, 1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				limit := &limited{refuse: bb.refuse}
				cloud := gatewaytest.New(b, gatewaytest.Options{
					Stores: []gateway.Store{{Name: "cloud", Kind: "memory", Backend: memory.New(memory.Options{}), Concurrency: 256}},
					Wrap:   func(next http.Handler) http.Handler { limit.next = next; return limit },
				})
				runs := make([]*throttledRun, bb.runs)
				for i := range runs {
					runs[i] = newThrottledRun(b, bb.target(b, cloud), i)
				}
				measureThrottled(b, limit, bb.limit, runs)
			}
		})
	}
}

// allows reports whether one more request is allowed now.
type allows = func() bool

func windowOf(span time.Duration) allows {
	var began time.Time
	n := 0
	return func() bool {
		if now := time.Now().Truncate(span); now.After(began) {
			began, n = now, 0
		}
		n++
		return n <= allowedPerSecond*int(span/time.Second)
	}
}

// limited allows what its limit does, and refuses the rest.
type limited struct {
	next   http.Handler
	refuse http.HandlerFunc

	mu            sync.Mutex
	allows        allows // nil: everything
	good, refused int
}

func (l *limited) set(a allows) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allows = a
}

func (l *limited) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.allows != nil && !l.allows() {
		l.refused++
		return false
	}
	l.good++
	return true
}

func (l *limited) counts() (good, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.good, l.refused
}

func (l *limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.take() {
		l.next.ServeHTTP(w, r)
	} else {
		l.refuse(w, r)
	}
}

func refusesAsKeyVault(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"error":{"code":"Throttled","message":"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"}}`)
}

func refusesAsCSMS(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"error_msg":"The throttling threshold has been reached: policy user over ratelimit,limit:400,time:1 second","error_code":"APIGW.0308","request_id":"0"}`)
}

func throttledKeyVault(t testing.TB, cloud *gatewaytest.Gateway) backends.Backend {
	return open(t, azurekv.Driver, "target", overCloud(t, cloud))
}

func throttledCSMS(t testing.TB, cloud *gatewaytest.Gateway) backends.Backend {
	return open(t, huaweicsms.Driver, "target", overCSMS(t, cloud))
}

// throttledRun is a run that is planned.
type throttledRun struct {
	*moves
	plan *planned
	to   migrate.Side
}

func newThrottledRun(b *testing.B, target backends.Backend, nth int) *throttledRun {
	b.Helper()
	from := memory.New(memory.Options{})
	for i := range throttledSecrets {
		for v := range 3 {
			if _, err := from.Put(b.Context(), secret.Name(fmt.Sprintf("run-%d-%05d", nth, i)), secret.Draft{Value: secret.TextValue(strings.Repeat("x", 30+v))}); err != nil {
				b.Fatal(err)
			}
		}
	}
	r := &throttledRun{moves: &moves{from: "source", to: "target", rules: lateRules, key: inventory.NewKey()}}
	r.Gateway = gatewaytest.New(b, gatewaytest.Options{MaxBlobs: 4 * inventoryReaders, Stores: []gateway.Store{
		{Name: "source", Kind: "memory", Backend: from, Concurrency: 64},
		{Name: "target", Backend: target, Concurrency: 64},
	}})
	r.plan = r.moves.plan(b, time.Now)
	r.to = r.side("target")
	r.to.Pace = migrate.NewPace(askedPerSecond, inventoryReaders)
	return r
}

// good is how many requests of the run were not refused.
func (r *throttledRun) good() int64 { return r.to.Pace.Requests() - r.to.Pace.Refusals() }

// do runs until ctx ends.
func (r *throttledRun) do(ctx context.Context, b *testing.B) error {
	checked, err := migrate.CheckPlan(r.read(b, r.plan))
	if err != nil {
		return err
	}
	j, err := migrate.OpenJournal(filepath.Join(b.TempDir(), "journal"), r.key, "plan", time.Now)
	if err != nil {
		return err
	}
	run := migrate.Run{
		From: r.side("source"), To: r.to, Rules: r.rules, Key: r.key, Journal: j, Workers: inventoryReaders, Finish: time.Minute,
		Tell: func(r migrate.Result) error { return r.Err },
	}
	err = run.Do(ctx, func(do func(*migrate.Entry) error) error { return checked.Entries(r.read(b, r.plan), do) })
	switch {
	case ctx.Err() == nil && err == nil:
		err = errors.New("the run came to its end too soon")
	case errors.Is(err, context.Canceled):
		err = nil
	}
	return errors.Join(err, j.Close())
}

func measureThrottled(b *testing.B, limit *limited, allowed func() allows, runs []*throttledRun) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var all sync.WaitGroup
	for _, r := range runs {
		all.Go(func() {
			if err := r.do(ctx, b); err != nil {
				b.Error(err)
			}
		})
	}
	look := func() (good, refused int, each []int64) {
		good, refused = limit.counts()
		for _, r := range runs {
			each = append(each, r.good())
		}
		return good, refused, each
	}
	<-time.After(2 * time.Second)
	good, _, _ := look()
	<-time.After(3 * time.Second)
	unlimited, _, _ := look()
	b.ReportMetric(float64(unlimited-good)/3, "unlimited/s")
	limit.set(allowed())
	<-time.After(10 * time.Second)
	good, refused, each := look()
	<-time.After(time.Minute)
	goodAfter, refusedAfter, eachAfter := look()
	cancel()
	all.Wait()
	good, refused = goodAfter-good, refusedAfter-refused
	sum, least := int64(0), eachAfter[0]-each[0]
	for i := range each {
		sum += eachAfter[i] - each[i]
		least = min(least, eachAfter[i]-each[i])
	}
	b.ReportMetric(0, "ns/op") // it is a minute
	b.ReportMetric(100*float64(good)/(60*allowedPerSecond), "%used")
	b.ReportMetric(100*float64(refused)/float64(good+refused), "%refused")
	b.ReportMetric(100*float64(least)/float64(sum), "%least")
}
