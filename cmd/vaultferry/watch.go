package main

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/control"
)

const (
	// settle is how long files must stay as they are before they are taken: whoever
	// writes one is given time to end.
	settle = time.Second
	// patience is for how many looks a configuration that is invalid is taken for one
	// that somebody still writes.
	patience = 5
	// retryAfter is after how many looks a configuration that failed is tried again: a
	// store may be back, or a file be there that was missing.
	retryAfter = 6
)

// watch decides, look by look, when files are to be taken.
type watch struct {
	seen  map[string]config.Digest // at the last look
	looks int                      // since they are as they are
}

// verdict is what a look leads to.
type verdict int

const (
	idle  verdict = iota // nothing has changed
	wait                 // somebody may be writing
	tries                // take it; where it is invalid, say nothing yet
	takes                // take it, or say why not
	again                // try once more what was not taken, and say nothing where it still is not
)

// look compares what the files hold with what the last reload read. failed: that
// changed nothing.
func (w *watch) look(now, last map[string]config.Digest, failed bool) verdict {
	if !maps.Equal(now, w.seen) {
		w.seen, w.looks = now, 0
		if maps.Equal(now, last) && !failed {
			return idle
		}
		return wait
	}
	w.looks++
	switch {
	case !maps.Equal(now, last) && w.looks < patience:
		return tries
	case !maps.Equal(now, last):
		return takes
	case failed && w.looks%retryAfter == 0:
		return again
	}
	return idle
}

// watchFiles looks after the files for as long as the configuration wants it, until
// done is called or ctx ends.
func (r *reloader) watchFiles(ctx context.Context) (done func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { r.keepWatch(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

func (r *reloader) keepWatch(ctx context.Context) {
	var w watch
	next := idle
	for {
		var tick <-chan time.Time
		if every := r.watchEvery(); every > 0 {
			if next != idle {
				every = min(every, settle)
			}
			tick = time.After(every)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.reloaded:
		case <-tick:
			next = r.look(ctx, &w)
		}
	}
}

func (r *reloader) watchEvery() time.Duration {
	return r.shown.Load().rt.cfg.Reload.Watch
}

func (r *reloader) look(ctx context.Context, w *watch) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := w.look(config.LookAt(r.last), r.last, r.failed)
	if m == idle || m == wait {
		return m
	}
	done, err := r.reloadLocked(ctx, r.app.call("reload"), m)
	if err != nil {
		r.log.Error("the configuration was not taken", slog.Any("error", err))
	}
	if m == tries && nothingTaken(done) {
		return wait
	}
	return idle
}

// nothingTaken: the reload changed nothing, for it could not.
func nothingTaken(done control.Reloaded) bool { return len(done.Problems)+len(done.Restart) > 0 }
