package bolt

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/secret"
)

// put is one key to write, or to remove where the value is nil.
type put struct{ bucket, key, value []byte }

// planFunc reads what it needs and returns what to write, or why not. It sees
// the plans that go before it in the same transaction, and may be called only
// once.
type planFunc func(tx *bbolt.Tx) ([]put, error)

// groupCommit commits writes that arrive together in one transaction, so that many
// writers share an fsync and a single one does not wait for others.
type groupCommit struct {
	db     *bbolt.DB
	leader chan struct{} // holds one while somebody commits

	mu    sync.Mutex
	queue []*pendingWrite
}

type pendingWrite struct {
	ctx  context.Context // its caller waits in do for as long as this lives
	plan planFunc
	err  error         // read after done
	done chan struct{} // closed when the outcome is known
}

func newGroupCommit(db *bbolt.DB) *groupCommit {
	return &groupCommit{db: db, leader: make(chan struct{}, 1)}
}

// lastGrace is how long a caller who has gone is kept for an outcome that is
// being decided: the fsync of a healthy disk takes far less.
const lastGrace = time.Second

// do returns when the plan is durable, refused, or withdrawn because ctx
// ended. Only where a commit outlasts ctx by lastGrace is the outcome Unknown.
func (g *groupCommit) do(ctx context.Context, plan planFunc) error {
	w := &pendingWrite{ctx: ctx, plan: plan, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, w)
	g.mu.Unlock()
	select {
	case g.leader <- struct{}{}:
		g.lead()
	case <-w.done:
	case <-ctx.Done():
		if g.withdraw(w) {
			return ctx.Err()
		}
	}
	return w.wait()
}

func (w *pendingWrite) wait() error {
	select {
	case <-w.done:
		return w.err
	case <-w.ctx.Done():
	}
	t := time.NewTimer(lastGrace)
	defer t.Stop()
	select {
	case <-w.done:
		return w.err
	case <-t.C:
		return &secret.Error{Kind: secret.Unknown, Detail: "the write was not confirmed in time", Err: w.ctx.Err()}
	}
}

// withdraw reports whether w was still waiting; then it never happens.
func (g *groupCommit) withdraw(w *pendingWrite) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.queue {
		if g.queue[i] == w {
			g.queue = append(g.queue[:i], g.queue[i+1:]...)
			return true
		}
	}
	return false
}

// lead commits all that wait. The caller leads.
func (g *groupCommit) lead() {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // see guarded
	defer func() { <-g.leader }()
	g.mu.Lock()
	batch := g.queue
	g.queue = nil
	g.mu.Unlock()
	if len(batch) == 0 { // the leader before took ours along
		return
	}
	defer func() {
		for _, w := range batch {
			close(w.done)
		}
	}()
	for _, w := range batch { // stays so if a plan, or the database, panics
		w.err = &secret.Error{Kind: secret.Unknown, Detail: "the write was abandoned"}
	}
	g.commit(batch)
}

// commit decides the outcome of each write of the batch: refused by its own
// plan, or that of the transaction.
func (g *groupCommit) commit(batch []*pendingWrite) {
	refused := make([]error, len(batch))
	id, err := g.transact(batch, refused)
	if err != nil {
		err = commitError(err, g.visible(id))
	}
	for i, w := range batch {
		if w.err = refused[i]; w.err == nil {
			w.err = err
		}
	}
}

// transact writes what the plans of the batch say, those that are not refused.
func (g *groupCommit) transact(batch []*pendingWrite, refused []error) (id int, err error) {
	err = g.db.Update(func(tx *bbolt.Tx) error {
		id = tx.ID()
		changed := false
		for i, w := range batch {
			var puts []put
			if puts, refused[i] = w.prepare(tx); refused[i] != nil {
				continue
			}
			if err := apply(tx, puts); err != nil {
				return err
			}
			changed = changed || len(puts) > 0
		}
		if !changed {
			return errNothing
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		return id, nil
	}
	return id, err
}

// errNothing spares the fsync of a transaction that changes nothing.
var errNothing = errors.New("nothing to write")

func (w *pendingWrite) prepare(tx *bbolt.Tx) ([]put, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	return w.plan(tx)
}

func apply(tx *bbolt.Tx, puts []put) error {
	for _, p := range puts {
		if err := p.apply(tx.Bucket(p.bucket)); err != nil {
			return err
		}
	}
	return nil
}

func (p *put) apply(b *bbolt.Bucket) error {
	if p.value == nil {
		return b.Delete(p.key)
	}
	return b.Put(p.key, p.value)
}

// visible reports whether readers see the transaction, though its commit
// failed: then only the last fsync did, and whether it lasts is not known. If
// they do not see it, it did not happen. (Another writer may have taken the
// same id meanwhile; that errs on the side of not knowing.)
func (g *groupCommit) visible(id int) bool {
	if id == 0 { // it never began
		return false
	}
	seen := true
	err := g.db.View(func(tx *bbolt.Tx) error {
		seen = tx.ID() >= id
		return nil
	})
	return seen || err != nil
}
