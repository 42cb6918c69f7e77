package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// version is of the protocol: the first part of each path.
const version = "/v1/"

// maxRequest bounds what is asked: the largest backup, in base64.
const maxRequest = 96 << 20

// sumTrailer ends a stream: the SHA-256 of it.
const sumTrailer = "Vaultferry-Sha256"

type request[Q any] struct {
	Op        string        `json:"op"`
	RequestID string        `json:"request_id,omitempty"`
	Timeout   time.Duration `json:"timeout,omitempty"` // of the call, in nanoseconds; zero: the store's
	Args      Q             `json:"args"`
}

type answer[A any] struct {
	Result A        `json:"result"`
	Error  *failure `json:"error,omitempty"`
	Asked  *asked   `json:"asked,omitempty"`
}

// asked is what an operation asked of a product.
type asked struct {
	Requests int64         `json:"requests"`
	Refused  int64         `json:"refused,omitempty"` // of these, for now
	After    time.Duration `json:"after,omitempty"`   // when the product wants to be asked again, in nanoseconds
}

// pay tells whoever paces the requests of ctx, as if they had been made here.
func (a *asked) pay(ctx context.Context) {
	if a == nil {
		return
	}
	for range a.Refused {
		backends.Refused(ctx, a.After)
	}
	for range a.Requests {
		backends.CountCall(ctx)
	}
}

// tally is the pace of an operation that somebody else paces.
type tally struct {
	refused, after atomic.Int64
}

func (t *tally) Wait(context.Context) {}

func (t *tally) Refused(after time.Duration) {
	t.refused.Add(1)
	t.after.Store(max(t.after.Load(), int64(after)))
}

// counting returns a context for an operation, and what it asked.
func counting(ctx context.Context) (context.Context, func() *asked) {
	t := new(tally)
	ctx, requests := backends.WithCallCount(backends.WithPace(ctx, t))
	return ctx, func() *asked { return &asked{requests(), t.refused.Load(), time.Duration(t.after.Load())} }
}

// opName is what a command may call itself in the audit.
var opName = regexp.MustCompile(`^cli(\.[a-z]{1,20}){1,3}$`)

// read decodes what is asked. Its errors quote nothing: args may hold a value.
func read[Q any](w http.ResponseWriter, r *http.Request) (request[Q], error) {
	var q request[Q]
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	dec.DisallowUnknownFields()
	err := dec.Decode(&q)
	if err == nil {
		_, err = dec.Token() // to the end: only then is it noticed that a client leaves
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return q, secret.Errorf(secret.TooLarge, "the request is larger than %d bytes", maxRequest)
	case !errors.Is(err, io.EOF), !opName.MatchString(q.Op):
		return q, secret.Errorf(secret.Invalid, "the gateway does not understand the request: it may be of another release than this command")
	}
	if _, err := uuid.Parse(q.RequestID); err != nil {
		q.RequestID = uuid.NewString()
	}
	return q, nil
}

// failure is a secret.Error on the socket.
type failure struct {
	Kind         string      `json:"kind"`
	Name         secret.Name `json:"name,omitempty"`
	Detail       string      `json:"detail,omitempty"`
	Cause        string      `json:"cause,omitempty"`
	RetryAfterMS int64       `json:"retry_after_ms,omitempty"`
}

// failureOf tells the cause too: whoever asks may read this machine's logs.
func failureOf(err error) *failure {
	f := &failure{Kind: secret.KindOf(err).Error()}
	e, ok := errors.AsType[*secret.Error](err)
	if !ok {
		f.Cause = secret.Explain(err)
		return f
	}
	f.Name, f.Detail, f.RetryAfterMS = e.Name, e.Detail, e.RetryAfter.Milliseconds()
	if e.Err != nil {
		f.Cause = secret.Explain(e.Err)
	}
	return f
}

// err is nil for no failure.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	e := &secret.Error{Name: f.Name, Detail: f.Detail, RetryAfter: time.Duration(f.RetryAfterMS) * time.Millisecond}
	for _, k := range secret.Kinds() {
		if k.Error() == f.Kind {
			e.Kind = k
		}
	}
	if f.Cause != "" {
		e.Err = errors.New(f.Cause)
	}
	return e
}

// refuse answers with an error alone.
func refuse(w http.ResponseWriter, status int, err error) {
	respond(w, status, answer[*nothing]{Error: failureOf(err)})
}

func respond(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // whoever left needs no answer
}
