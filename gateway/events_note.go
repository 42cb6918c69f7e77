package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// The keys of the gateway's notes about a store.
const (
	eventsKey  = "events"
	recordsKey = "records"
)

// noteVersion is the version of both notes. Members may be added to it.
const noteVersion = 1

// eventsNote is the note of a store's events, sorted by name.
type eventsNote struct{ events []Event }

func (n *eventsNote) find(name string) *Event {
	i := slices.IndexFunc(n.events, func(e Event) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return &n.events[i]
}

func (n *eventsNote) get(name string) (*Event, error) {
	if e := n.find(name); e != nil {
		return e, nil
	}
	return nil, secret.Errorf(secret.NotFound, "no such event")
}

// storedEvents is the JSON of an eventsNote. Times are milliseconds.
type storedEvents struct {
	V      int           `json:"v"`
	Events []storedEvent `json:"events"`
}

type storedEvent struct {
	Name    string      `json:"name"`
	ID      string      `json:"id"`
	Types   []EventType `json:"types"`
	Enabled bool        `json:"enabled"`
	Target  EventTarget `json:"target"`
	Created int64       `json:"created"`
	Updated int64       `json:"updated"`
}

// MarshalJSON implements json.Marshaler.
func (n eventsNote) MarshalJSON() ([]byte, error) {
	out := storedEvents{V: noteVersion, Events: []storedEvent{}}
	for _, e := range n.events {
		out.Events = append(out.Events, storedEvent{
			Name: e.Name, ID: e.ID, Types: e.Types, Enabled: e.Enabled, Target: e.Target,
			Created: e.Created.UnixMilli(), Updated: e.Updated.UnixMilli(),
		})
	}
	slices.SortFunc(out.Events, func(a, b storedEvent) int { return cmp.Compare(a.Name, b.Name) })
	return encodeNote(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *eventsNote) UnmarshalJSON(b []byte) error {
	var in storedEvents
	if err := decodeNote(b, &in, &in.V); err != nil {
		return err
	}
	n.events = nil
	for _, e := range in.Events {
		n.events = append(n.events, Event{
			Name: e.Name, ID: e.ID, Types: e.Types, Enabled: e.Enabled, Target: e.Target,
			Created: fromMillis(e.Created), Updated: fromMillis(e.Updated),
		})
	}
	return nil
}

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func encodeNote(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

var errNoteForm = errors.New("a note of the store is not what this release writes")

func decodeNote(b []byte, into any, version *int) error {
	if json.Unmarshal(b, into) != nil || *version != noteVersion {
		return errNoteForm
	}
	return nil
}

// errNoteFull is the cause where a note would be longer than a product takes.
var errNoteFull = errors.New("the note is full")

// note is what both notes are to readNote and editNote.
type note[T any] interface {
	*T
	json.Marshaler
	json.Unmarshaler
}

// readNote returns an empty note where there is none.
func readNote[T any, P note[T]](ctx context.Context, j *job, key string) (n T, revision string, err error) {
	text, revision, err := j.stateStore.ReadState(ctx, key)
	switch {
	case errors.Is(err, secret.NotFound):
		return n, "", nil
	case err != nil:
		return n, "", err
	}
	if P(&n).UnmarshalJSON(text) != nil {
		return n, "", &secret.Error{Kind: secret.Internal, Op: "note." + key, Err: errNoteForm}
	}
	return n, revision, nil
}

// noteAttempts bounds how often a note is changed anew because another gateway
// changed it meanwhile.
const noteAttempts = 8

// editNote changes a note. change says whether there is something to write; it
// is called again where another gateway came between.
func editNote[T any, P note[T]](ctx context.Context, j *job, key string, change func(P) (bool, error)) error {
	if err := j.notes.Acquire(ctx, 1); err != nil {
		return waiting(err)
	}
	defer j.notes.Release(1)
	for range noteAttempts {
		n, revision, err := readNote[T, P](ctx, j, key)
		if err != nil {
			return err
		}
		if write, err := change(&n); err != nil || !write {
			return err
		}
		text, err := P(&n).MarshalJSON()
		switch {
		case err != nil:
			return err
		case len(text) > backends.MaxState:
			return &secret.Error{Kind: secret.TooLarge, Op: "note." + key, Err: errNoteFull}
		}
		if err = j.stateStore.WriteState(ctx, key, text, revision); !errors.Is(err, secret.Conflict) {
			return err
		}
	}
	return secret.Errorf(secret.Conflict, "other gateways keep changing the same")
}
