package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// unknownWrites remembers writes whose outcome is unknown. Vendors' clients
// answer "unavailable" by sending the write again; within the window such a
// repeat must not make a second version of what did land.
type unknownWrites struct {
	now func() time.Time

	mu     sync.Mutex
	writes map[[sha256.Size]byte]unknownWrite
}

// unknownWrite is one such write.
type unknownWrite struct {
	at, began time.Time
	uid       secret.UID // that the version was to have, if the gateway chose it
	torn      bool       // the value surely landed, and something else did not
}

const (
	repeatWindow     = time.Minute
	maxUnknownWrites = 10_000
)

func writeKey(j *job) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range []string{j.call.Caller.ID, j.Name, string(j.ref.Name), j.ref.Event, j.call.Op} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	h.Write(j.call.Digest[:])
	return [sha256.Size]byte(h.Sum(nil))
}

// remember keeps the write of j if nobody knows how it ended, or if a part of
// it is missing, and forgets it if it is done. An attempt that surely changed
// nothing says nothing of the one before it. uid is of the version it writes,
// where the gateway chose that.
func (r *unknownWrites) remember(j *job, uid secret.UID, err error) {
	if j.call.Digest == [sha256.Size]byte{} {
		return
	}
	key, now := writeKey(j), r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch err = classify(j, err); {
	case retryable(err):
		return
	case !errors.Is(err, secret.Unknown) && !errors.Is(err, secret.Partial):
		delete(r.writes, key)
		return
	}
	if len(r.writes) >= maxUnknownWrites {
		maps.DeleteFunc(r.writes, func(_ [sha256.Size]byte, a unknownWrite) bool { return now.Sub(a.at) > repeatWindow })
	}
	if r.writes == nil {
		r.writes = map[[sha256.Size]byte]unknownWrite{}
	}
	if len(r.writes) < maxUnknownWrites {
		r.writes[key] = unknownWrite{now, j.start, uid, errors.Is(err, secret.Partial)}
	}
}

// repeatedBy reports whether j repeats a write of unknown outcome.
func (r *unknownWrites) repeatedBy(j *job) bool {
	_, ok := r.find(j)
	return ok
}

func (r *unknownWrites) find(j *job) (unknownWrite, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.writes[writeKey(j)]
	return a, ok && r.now().Sub(a.at) <= repeatWindow
}

// asked tells the product what the client asked for, so that one which several
// gateways share can tell a repeat at any of them.
func (j *job) asked(ctx context.Context) context.Context {
	if j.call.Digest == [sha256.Size]byte{} {
		return ctx
	}
	return backends.WithOperation(ctx, backends.Operation{Caller: j.call.Caller.ID, Op: j.call.Op, Event: j.ref.Event, Digest: j.call.Digest})
}

// Answering returns a context for one request of a client, and what its server
// calls once the answer has left. Calls that have no such context are answered
// when they return.
func Answering(ctx context.Context) (out context.Context, sent func()) {
	out, answers := backends.WithAnswers(ctx)
	return out, answers.Sent
}

// once does what a client sends again where it was not told how it ended. A
// repeat of such a call that finds nothing to do any more is answered with
// what stands.
func (s *Service) once(ctx context.Context, j *job, do func(context.Context) (*secret.Secret, error), stands func() (*secret.Secret, error)) (*secret.Secret, error) {
	j.call.Digest = sha256.Sum256([]byte(j.action)) // there is no body to tell two apart
	ctx = j.asked(ctx)
	repeated := s.unknown.repeatedBy(j)
	sec, err := do(ctx)
	if errors.Is(err, secret.NotFound) && !repeated && j.repeater != nil {
		var repeatErr error
		if repeated, repeatErr = j.repeater.Repeats(ctx, j.ref.Name); repeatErr != nil {
			return nil, repeatErr
		}
	}
	if repeated && errors.Is(err, secret.NotFound) {
		there, thereErr := stands()
		if !errors.Is(thereErr, secret.NotFound) {
			sec, err = there, thereErr
		}
	}
	s.unknown.remember(j, secret.UID{}, err)
	return sec, err
}
