package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// slot is the place of one call among those that a store takes at once. A
// request of the call that waits gives the place back, and takes it again before
// it goes on.
type slot struct {
	of   *semaphore.Weighted
	turn *semaphore.Weighted // who takes it or gives it back
	held bool                // under turn
}

func takeSlot(ctx context.Context, of *semaphore.Weighted) (*slot, error) {
	s := &slot{of: of, turn: semaphore.NewWeighted(1)}
	return s, s.take(ctx)
}

func (s *slot) take(ctx context.Context) error {
	if err := s.turn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.turn.Release(1)
	if s.held {
		return nil
	}
	err := s.of.Acquire(ctx, 1)
	s.held = err == nil
	return err
}

func (s *slot) giveBack() {
	_ = s.turn.Acquire(context.Background(), 1) // whoever has it does not keep it beyond the call
	defer s.turn.Release(1)
	if s.held {
		s.of.Release(1)
		s.held = false
	}
}

// pause waits without the slot. False: the call's time does not allow it, or is
// over.
func (s *slot) pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return false
	}
	s.giveBack()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil && s.take(ctx) == nil
}

// pauses is how the requests of j wait while the product refuses them for now.
// The first one is told to the log.
func (s *Service) pauses(j *job, held *slot) kit.Pause {
	var once sync.Once
	return func(ctx context.Context, d, asked time.Duration) bool {
		backends.Refused(ctx, asked)
		once.Do(func() {
			s.log.WarnContext(ctx, "the product refuses for now what it has begun to answer; the call waits until its deadline",
				slog.String("op", j.call.Op), slog.String("store", j.Name), slog.String("name", j.entry.Name),
				slog.String("request_id", j.call.RequestID), slog.Duration("pause", d))
		})
		return held.pause(ctx, d)
	}
}
