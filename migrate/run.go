package migrate

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/gateway/tracing"
	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Checked is a plan that was read to its end, and found good.
type Checked struct {
	Header Header
	End    End
	leaves []merkle.Hash // of the lines
}

// CheckPlan reads a whole plan.
func CheckPlan(r *PlanReader) (*Checked, error) {
	c := &Checked{Header: r.Header, leaves: []merkle.Hash{r.leaf}}
	for {
		_, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			c.End = *r.End
			return c, nil
		case err != nil:
			return nil, err
		}
		c.leaves = append(c.leaves, r.leaf)
	}
}

// Entries reads the plan once more, each line only if it is the one that was
// checked.
func (c *Checked) Entries(r *PlanReader, do func(*Entry) error) error {
	changed := secret.Errorf(secret.Corrupt, "the plan was changed while it was read")
	if r.leaf != c.leaves[0] {
		return changed
	}
	for i := 1; ; i++ {
		e, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case i >= len(c.leaves) || r.leaf != c.leaves[i]:
			return changed
		}
		if err := do(e); err != nil {
			return err
		}
	}
}

// Run does what a plan says.
type Run struct {
	From, To Side
	Rules    Rules
	Key      inventory.Key
	Journal  *Journal
	Archive  archive.Dir
	// Workers is how many secrets are on their way at once.
	Workers int
	// Finish bounds what has begun when ctx ends.
	Finish time.Duration
	// Tell is called with each outcome, one at a time.
	Tell func(Result) error

	tell    sync.Mutex
	refused atomic.Int64 // requests that the journal knows of
}

// refusals are the requests that were refused since it was last asked.
func (r *Run) refusals() int64 {
	all := r.From.Pace.Refusals() + r.To.Pace.Refusals()
	return max(0, all-r.refused.Swap(all))
}

// Result is what became of one secret.
type Result struct {
	Entry   *Entry
	Step    Step // Done, Failed or Skipped
	Before  bool // it was done by a run before this one
	Err     error
	Archive string
	// Source is what stands there; nil: it was not read.
	Source *inventory.Entry
}

// Do works through entries, which calls its function with each of a plan. It ends
// early where no other secret would fare better, and when ctx ends: what has begun
// is finished then, and ctx.Err() returned.
func (r *Run) Do(ctx context.Context, entries func(func(*Entry) error) error) error {
	group, working := errgroup.WithContext(ctx)
	todo := make(chan *Entry)
	group.Go(func() error {
		defer close(todo)
		return entries(func(e *Entry) error {
			select {
			case todo <- e:
				return nil
			case <-working.Done():
				return working.Err()
			}
		})
	})
	for range max(r.Workers, 1) {
		group.Go(func() error {
			for e := range todo {
				if working.Err() != nil {
					return working.Err()
				}
				if err := r.one(working, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return ctx.Err()
	}
	return err
}

// one moves one secret. Its errors end the run.
func (r *Run) one(ctx context.Context, e *Entry) error {
	if e.Action == "" {
		return nil
	}
	if r.Journal.Step(e.Name) == Done {
		return r.say(Result{Entry: e, Step: Done, Before: true})
	}
	m := &moving{Run: r, entry: e, repeats: r.Journal.Step(e.Name) == Begun}
	line := Line{Step: Done, Name: e.Name}
	part, end := tracing.Part(ctx, "migrate.move")
	err := m.move(part, &line)
	end(err)
	var stale *staleError
	switch {
	case err == nil:
	case errors.As(err, &stale) && !m.repeats:
		line.Step, line.Why = Skipped, stale.Error()
	case !m.begun && (ctx.Err() != nil || endsRun(err)):
		return err // nothing was written: the journal has nothing to say
	default:
		line.Step, line.Why = Failed, message(err)
	}
	if line.Step == Failed && m.unfinished {
		line.Step = Begun // the next run knows that this one may have left something
	}
	line.Refused = r.refusals()
	if err := r.Journal.Write(line); err != nil {
		return err
	}
	res := Result{Entry: e, Step: line.Step, Err: err, Archive: line.Archive, Source: m.source}
	if res.Step == Begun {
		res.Step = Failed
	}
	if err := r.say(res); err != nil {
		return err
	}
	if err != nil && endsRun(err) {
		return err
	}
	return nil
}

// endsRun reports whether an error about one secret will meet all the others.
func endsRun(err error) bool {
	return errors.Is(err, kit.ErrDeadCredential) || errors.Is(err, secret.Unavailable)
}

func (r *Run) say(res Result) error {
	r.tell.Lock()
	defer r.tell.Unlock()
	return r.Tell(res)
}

// staleError: what the plan saw does not hold any more.
type staleError struct{ what string }

func (e *staleError) Error() string { return e.what }

func stale(what string) error { return &staleError{what} }
