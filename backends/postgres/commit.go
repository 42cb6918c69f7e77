package postgres

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// operation is one write. It is written down with what it changes, in one
// transaction, until its client has its answer.
type operation struct {
	what string // for errors
	name secret.Name
	// id is a MAC of what a client asked for, the same for a repeat of it; random
	// where a repeat cannot be told.
	id []byte
	// uid tells this write from one with the same id. It is the UID of the
	// version that a Put makes.
	uid      secret.UID
	client   bool
	replaces []byte // the uid of a write with the same id that was answered
	tries    int
	stands   *found // what stood instead, where a try was in vain
}

// standsFunc says whether the effect of a write stands: see commit.
type standsFunc func(ctx context.Context, uid secret.UID, ours bool) (bool, error)

// newOperation is of a write for which nobody asks twice.
func newOperation(what string, name secret.Name) *operation {
	id := secret.NewUID()
	return &operation{what: what, name: name, id: id[:], uid: secret.NewUID()}
}

// askedFor is the operation of a write that a client may ask for twice, as ctx says.
func (s *Store) askedFor(ctx context.Context, what string, name secret.Name) *operation {
	o := newOperation(what, name)
	if c, ok := backends.OperationOf(ctx); ok {
		o.client, o.id = true, s.operationID(&c, what, name)
		o.replaces = s.answers.pending(o.id)
	}
	return o
}

func (s *Store) operationID(c *backends.Operation, what string, name secret.Name) []byte {
	mac := hmac.New(sha256.New, s.opKey)
	for _, p := range [][]byte{[]byte(what), []byte(c.Caller), []byte(s.name), []byte(name), []byte(c.Op), []byte(c.Event), c.Digest[:]} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		mac.Write(p)
	}
	return mac.Sum(nil)
}

// Repeats implements backends.Repeater.
func (s *Store) Repeats(ctx context.Context, name secret.Name) (bool, error) {
	c, ok := backends.OperationOf(ctx)
	if !ok {
		return false, nil
	}
	var ids [][]byte
	whats := map[string]string{}
	answered := map[string][]byte{} // before the rows are read: a batch may end meanwhile
	for _, what := range []string{opDelete, opRecover, opPurge} {
		id := s.operationID(&c, what, name)
		ids, whats[string(id)] = append(ids, id), what
		answered[string(id)] = s.answers.pending(id)
	}
	var id, uid []byte
	var deleted *bool
	repeats := false
	err := s.do(ctx, "postgres.repeats", name, func() error {
		return s.read(ctx, step{s.sql.repeated, []any{ids, string(name)}, []any{&id, &uid, &deleted}, func() error {
			if bytes.Equal(uid, answered[string(id)]) || s.answers.told(id, uid) {
				return nil
			}
			switch whats[string(id)] { // and it is still as that has left it
			case opDelete:
				repeats = repeats || deleted != nil && *deleted
			case opRecover:
				repeats = repeats || deleted != nil && !*deleted
			case opPurge:
				repeats = repeats || deleted == nil
			}
			return nil
		}})
	})
	return repeats && err == nil, err
}

// What an attempt of a write may come to, beside its own errors.
var (
	errAgain = errors.New("others wrote first, and nothing was changed") // try once more
	errTaken = errors.New("a version has the UID")
)

// commit makes attempts at a write until the outcome of one is known.
//
// An attempt whose outcome is lost is made again, with the same operation. It is
// never looked up beforehand: what was lost may be in flight, and only an insert
// of the same id waits for that. Where the operation is found written down,
// stands says whether its effect stands: ours means that this very write made it,
// and else a client's earlier try of the same did, of which nobody was told.
func (s *Store) commit(ctx context.Context, o *operation, attempt func(context.Context) error, stands standsFunc) error {
	var lost error
	s.answers.begin(ctx, o.uid)
	stood := false
	defer func() {
		if !stood {
			s.answers.end(o.uid)
		}
	}()
	for ; ; o.tries++ {
		if err := ctx.Err(); err != nil {
			return o.failure(lost, err)
		}
		err := o.attempt(ctx, attempt)
		if err == nil {
			stood = true
			s.answers.after(ctx, o)
			return nil
		}
		known := isCode(err, "23502") // written down already
		switch {
		case known, (lost != nil || o.client) && (refused(err) || errors.Is(err, errTaken)):
			var lookErr error
			stood, lookErr = s.look(ctx, o, stands)
			switch {
			case lookErr != nil:
				return o.failure(lost, lookErr)
			case stood:
				s.answers.after(ctx, o)
				return nil
			case !known && !errors.Is(err, errTaken):
				return failure(o.what, o.name, err)
			}
			lost = nil
		case uncertain(err):
			lost = err
		case lost != nil && secret.KindOf(failure(o.what, o.name, err)) == secret.Unavailable: // the way back
		case !errors.Is(err, errAgain) && !errors.Is(err, errTaken) && !isCode(err, "40001", "40P01"):
			return o.failure(lost, err)
		}
		if errors.Is(err, errTaken) {
			s.answers.end(o.uid)
			o.uid = secret.NewUID()
			s.answers.begin(ctx, o.uid)
		}
		if !pause(ctx, o.delay(lost != nil)) {
			return o.failure(lost, ctx.Err())
		}
	}
}

func (o *operation) attempt(ctx context.Context, attempt func(context.Context) error) error {
	ctx, cancel := graced(ctx)
	defer cancel()
	return attempt(ctx)
}

// delay spreads those who meet.
func (o *operation) delay(lost bool) time.Duration {
	d := time.Duration(0)
	if lost {
		d = 20 * time.Millisecond
	} else if o.tries > 1 {
		d = time.Millisecond
	}
	d <<= min(o.tries, 4)
	return d + rand.N(d+1) //nolint:gosec // jitter, not a secret
}

// failure is Unknown where an attempt may have committed.
func (o *operation) failure(lost, err error) error {
	if lost == nil && !uncertain(err) {
		return failure(o.what, o.name, err)
	}
	if lost == nil {
		lost = err
	}
	e := &secret.Error{Kind: secret.Unknown, Op: o.what, Name: o.name, Detail: "the database did not confirm the write", Err: cause(lost)}
	if ctxErr := cause(err); errors.Is(ctxErr, context.Canceled) || errors.Is(ctxErr, context.DeadlineExceeded) {
		e.Err = ctxErr
	}
	return e
}

// refused reports whether err may be what a write meets that is done already.
func refused(err error) bool {
	switch secret.KindOf(err) {
	case secret.AlreadyExists, secret.NotFound, secret.Trashed, secret.Conflict:
		return true
	}
	return false
}

// look reads the operation, which is there in full if it is there at all: what
// was read before was made by it, or it was inserted in vain.
func (s *Store) look(ctx context.Context, o *operation, stands standsFunc) (bool, error) {
	var uid []byte
	answered := s.answers.pending(o.id) // before the row is read: its batch may end meanwhile
	err := s.read(ctx, step{sql: s.sql.operationOf, args: []any{o.id}, into: []any{&uid}})
	if err != nil || len(uid) != len(o.uid) {
		return false, err
	}
	ours := bytes.Equal(uid, o.uid[:])
	if !ours && (bytes.Equal(uid, o.replaces) || bytes.Equal(uid, answered) || s.answers.told(o.id, uid)) {
		o.replaces = uid
		return false, nil
	}
	stood, err := stands(ctx, secret.UID(uid), ours)
	switch {
	case err != nil || stood:
	case ours:
		err = &secret.Error{Kind: secret.Unknown, Detail: "the write took effect, and others have undone it since"}
	default:
		o.replaces = uid
	}
	return stood, err
}
