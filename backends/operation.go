package backends

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/vaultferry/vaultferry/secret"
)

// Operation tells a write by what its client asked for, so that a product that
// several gateways share can tell the client's repeat at any of them.
type Operation struct {
	Caller string
	Op     string            // the dialect's name of it: "azure.SetSecret"
	Event  string            // that it is about, if it is about one
	Digest [sha256.Size]byte // of the body
}

// Repeater is an optional part of a Backend: that of a product which remembers
// writes until their clients are answered, whichever gateway made them. A Put
// that repeats one of those, by the Operation of its context, returns the version
// that stands, if that is still current.
type Repeater interface {
	// Repeats reports whether a Delete, Recover or Purge of the name was done
	// within the last minute for the operation of ctx, its client was not told, and
	// the name is still as that has left it.
	Repeats(ctx context.Context, name secret.Name) (bool, error)
}

type (
	operationKey struct{}
	answersKey   struct{}
)

// WithOperation returns a context for the writes of a client's operation.
func WithOperation(ctx context.Context, o Operation) context.Context {
	return context.WithValue(ctx, operationKey{}, o)
}

// OperationOf returns the operation of ctx, if a repeat of it could be told.
func OperationOf(ctx context.Context) (Operation, bool) {
	o, ok := ctx.Value(operationKey{}).(Operation)
	return o, ok
}

// Answers collects what is to be done once a request is answered.
type Answers struct {
	request context.Context //nolint:containedctx // it ends when nobody waits any more
	mu      sync.Mutex
	todo    []func()
	over    bool
}

// WithAnswers returns a context for one request of a client. Whoever serves it
// calls Sent once the answer has left, and only then.
func WithAnswers(ctx context.Context) (context.Context, *Answers) {
	a := &Answers{request: ctx}
	return context.WithValue(ctx, answersKey{}, a), a
}

// Sent does what waits for the answer.
func (a *Answers) Sent() {
	a.mu.Lock()
	todo := a.todo
	a.todo, a.over = nil, true
	a.mu.Unlock()
	for _, f := range todo {
		f()
	}
}

// RequestOf returns the context of the client's request that ctx is of: it lives for
// as long as the client waits. Where nobody tells of answers, that is ctx.
func RequestOf(ctx context.Context) context.Context {
	if a, _ := ctx.Value(answersKey{}).(*Answers); a != nil {
		return a.request
	}
	return ctx
}

// AfterAnswer has f called once the request of ctx is answered. Where nobody
// tells, as of a command, that is now.
func AfterAnswer(ctx context.Context, f func()) {
	a, _ := ctx.Value(answersKey{}).(*Answers)
	if a != nil {
		a.mu.Lock()
		wait := !a.over
		if wait {
			a.todo = append(a.todo, f)
		}
		a.mu.Unlock()
		if wait {
			return
		}
	}
	f()
}
