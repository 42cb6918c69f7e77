package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// The keys of the state records of a store.
const (
	eventsKey  = "events"
	recordsKey = "records"
)

// stateVersion is the version of both. Members may be added to them.
const stateVersion = 1

var (
	// errForeign is the cause where a record is not of the form that this
	// release knows.
	errForeign = errors.New("a state record of the store is not what this release writes")
	// errStateFull is the cause where a record would be longer than a product
	// takes.
	errStateFull = errors.New("the state record is full")
)

func encodeState(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func decodeState(b []byte, into any, version *int) error {
	if json.Unmarshal(b, into) != nil || *version != stateVersion {
		return errForeign
	}
	return nil
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// list is what both state records are to readState and editState.
type list[T any] interface {
	*T
	json.Marshaler
	json.Unmarshaler
}

// readState returns an empty list where there is none.
func readState[T any, P list[T]](ctx context.Context, j hook.Job, key string) (l T, revision string, err error) {
	text, revision, err := j.ReadState(ctx, key)
	switch {
	case errors.Is(err, secret.NotFound):
		return l, "", nil
	case err != nil:
		return l, "", err
	}
	if P(&l).UnmarshalJSON(text) != nil {
		return l, "", &secret.Error{Kind: secret.Internal, Op: "state." + key, Err: errForeign}
	}
	return l, revision, nil
}

// editAttempts bounds how often a list is changed anew because another gateway
// changed it meanwhile.
const editAttempts = 8

// editState changes a list. change says whether there is something to write; it
// is called again where another gateway came between.
func editState[T any, P list[T]](ctx context.Context, r *Recorder, j hook.Job, key string, change func(P) (bool, error)) error {
	release, err := r.edits.Lock(ctx, secret.Name(j.Store()))
	if err != nil {
		return &secret.Error{Kind: secret.Unavailable, Detail: "too many changes to the events of this store are waiting", Err: err}
	}
	defer release()
	for range editAttempts {
		l, revision, err := readState[T, P](ctx, j, key)
		if err != nil {
			return err
		}
		if write, err := change(&l); err != nil || !write {
			return err
		}
		text, err := P(&l).MarshalJSON()
		switch {
		case err != nil:
			return err
		case len(text) > backends.MaxState:
			return &secret.Error{Kind: secret.TooLarge, Op: "state." + key, Err: errStateFull}
		}
		if err = j.WriteState(ctx, key, text, revision); !errors.Is(err, secret.Conflict) {
			return err
		}
	}
	return secret.Errorf(secret.Conflict, "other gateways keep changing the same")
}
