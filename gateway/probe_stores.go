package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How often a product is asked by the gateway itself. Calls of clients tell as
// much, so a store that serves them is not asked at all.
const (
	probeIdle = time.Minute
	probeDown = 10 * time.Second // also before the first answer
)

// ProbeStores asks the product of each store that nobody calls how it is, until
// ctx ends: what is down recovers by itself. service says which stores there are.
// It writes no audit lines, for nobody's secrets are touched.
func ProbeStores(ctx context.Context, service func() *Service, log *slog.Logger) {
	due := func() (names []string) {
		s := service()
		for _, name := range s.names {
			if s.stores[name].health.due(time.Now()) {
				names = append(names, name)
			}
		}
		return names
	}
	round(ctx, probeDown, due, func(name string) { service().probe(ctx, name, log) })
}

// round does something for each of the stores, now and at each tick, until ctx ends.
// One that takes long keeps no other waiting, and is not asked again meanwhile.
func round(ctx context.Context, pace time.Duration, stores func() []string, do func(store string)) {
	var asking sync.Map // by store's name: its last question is not answered yet
	var asked sync.WaitGroup
	defer asked.Wait()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		for _, name := range stores() {
			if _, busy := asking.LoadOrStore(name, true); busy {
				continue
			}
			asked.Go(func() {
				defer asking.Delete(name)
				do(name)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// due reports whether nobody has told of the product for too long.
func (h *storeHealth) due(now time.Time) bool {
	v := h.verdict.Load()
	return v == nil || v.down || now.Sub(time.Unix(0, h.answered.Load())) >= probeIdle
}

// probe tells the log when the product's state changes.
func (s *Service) probe(ctx context.Context, name string, log *slog.Logger) {
	st, ok := s.stores[name]
	if !ok { // a reload took it away
		return
	}
	before := st.health.verdict.Load()
	err := s.Check(ctx, name)
	if ctx.Err() != nil {
		return
	}
	after := st.health.verdict.Load()
	switch {
	case after == nil || before != nil && before.down == after.down || before == nil && !after.down:
	case after.down:
		log.Warn("the product of a store cannot be used", slog.String("store", name), slog.Any("error", err))
	default:
		log.Info("the product of a store can be used again", slog.String("store", name), slog.Duration("after", time.Since(before.since).Round(time.Second)))
	}
}
