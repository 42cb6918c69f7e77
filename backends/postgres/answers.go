package postgres

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// answers are the operations whose clients have their answers: they are taken
// out of the database in batches, after which the same is a new write. What is
// not taken out, for the gateway ended, is so after a minute.
type answers struct {
	store *Store

	mu      sync.Mutex
	waiting map[string][]byte              // id to uid
	asking  map[secret.UID]context.Context // writes of this process, with their clients' requests
	running bool
	closed  bool
	done    sync.WaitGroup
	swept   time.Time
}

// How long a batch gathers, and how often what nobody answered is removed.
const (
	gather = 20 * time.Millisecond
	sweep  = time.Minute
)

// begin notes a write whose client waits at this gateway. Another one with the same
// id that comes meanwhile is no repeat of it.
func (a *answers) begin(ctx context.Context, uid secret.UID) {
	request := backends.RequestOf(ctx)
	a.mu.Lock()
	if a.asking == nil {
		a.asking = map[secret.UID]context.Context{}
	}
	a.asking[uid] = request
	a.mu.Unlock()
	context.AfterFunc(request, func() { a.end(uid) })
}

func (a *answers) end(uid secret.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.asking, uid)
}

// told reports whether the client of a write is answered, or waits at this gateway.
func (a *answers) told(id, uid []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	request, asking := a.asking[secret.UID(uid)]
	return asking && request.Err() == nil || bytes.Equal(a.waiting[string(id)], uid)
}

// after has the operation taken out once the request of ctx is answered.
func (a *answers) after(ctx context.Context, o *operation) {
	backends.AfterAnswer(ctx, func() {
		a.add(string(o.id), o.uid[:])
		a.end(o.uid)
	})
}

func (a *answers) add(id string, uid []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	if a.waiting == nil {
		a.waiting = map[string][]byte{}
	}
	a.waiting[id] = uid
	if !a.running {
		a.running = true
		a.done.Go(a.run)
	}
}

// pending is the uid of an operation that is answered, and not yet taken out.
func (a *answers) pending(id []byte) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting[string(id)]
}

// run works until nothing waits.
func (a *answers) run() {
	for a.more() {
		pause(context.Background(), gather)
		a.flush()
	}
}

func (a *answers) more() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = len(a.waiting) > 0
	return a.running
}

// flush takes out what waits. A failure is no loss: see answers.
func (a *answers) flush() {
	var ids, uids [][]byte
	a.mu.Lock()
	for id, uid := range a.waiting {
		ids, uids = append(ids, []byte(id)), append(uids, uid)
	}
	sweeping := time.Since(a.swept) > sweep
	if sweeping {
		a.swept = time.Now()
	}
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	s := a.store
	_ = s.inTx(ctx, beginWrite, func(t *tx) error {
		steps := []step{ // nothing waits for the disk: what a crash forgets is as if the gateway had ended
			{sql: "SET LOCAL synchronous_commit TO off"}, {sql: s.sql.answered, args: []any{ids, uids}},
		}
		if sweeping {
			steps = append(steps, step{sql: s.sql.forgotten})
		}
		return t.commit(ctx, steps...)
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, id := range ids {
		if string(a.waiting[string(id)]) == string(uids[i]) {
			delete(a.waiting, string(id))
		}
	}
}

// close takes out what waits, and takes no more.
func (a *answers) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.done.Wait()
}
