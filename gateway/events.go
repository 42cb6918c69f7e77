package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// ExtraSubscriptions is the member of a secret's Extra that names the events
// it subscribes to: a JSON list of their names.
const ExtraSubscriptions = "huawei.event_subscriptions"

// Subscriptions are the names of the events that a secret with this Extra
// subscribes to.
func Subscriptions(e secret.Extra) []string { return subscribed(e[ExtraSubscriptions]) }

func subscribed(member json.RawMessage) []string {
	var names []string
	if member == nil || json.Unmarshal(member, &names) != nil {
		return nil
	}
	return slices.DeleteFunc(names, func(s string) bool { return s == "" })
}

// EventType is what can happen to a secret.
type EventType string

// The types. Nothing rotates here, so two of them never happen.
const (
	VersionCreated EventType = "version-created"
	VersionExpired EventType = "version-expired"
	SecretDeleted  EventType = "deleted"
	SecretRotated  EventType = "rotated"
	RotationFailed EventType = "rotation-failed"
)

// EventTypes lists them all.
func EventTypes() []EventType {
	return []EventType{VersionCreated, VersionExpired, SecretDeleted, SecretRotated, RotationFailed}
}

// Event says which happenings of the secrets that subscribe to it are worth a
// record, and who is to hear of them. The gateway records; it delivers nothing.
type Event struct {
	Name    string // in its store
	ID      string // a UUID
	Types   []EventType
	Enabled bool
	Target  EventTarget
	Created time.Time
	Updated time.Time
}

// EventTarget is whom a client wants to be notified. Nobody checks it.
type EventTarget struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// EventPatch changes an event. A nil member leaves what is there.
type EventPatch struct {
	Types   []EventType
	Enabled *bool
	Target  *EventTarget
}

// MaxEvents bounds the events of a store, as the vendor does.
const MaxEvents = 30

const maxEventText = 512

func (e *Event) check() error {
	for _, s := range []string{e.Name, e.Target.Type, e.Target.ID, e.Target.Name} {
		if s == "" || len(s) > maxEventText || !utf8.ValidString(s) {
			return secret.Errorf(secret.Invalid, "the name and the target of an event are 1 to %d bytes of UTF-8", maxEventText)
		}
	}
	types := slices.Sorted(slices.Values(e.Types))
	unknown := slices.ContainsFunc(types, func(t EventType) bool { return !slices.Contains(EventTypes(), t) })
	if len(types) == 0 || unknown || len(slices.Compact(types)) != len(e.Types) {
		return secret.Errorf(secret.Invalid, "an event has one or more types, none of them twice")
	}
	return nil
}

// CreateEvent makes an event of e, which brings no ID and no times. Kinds:
// AlreadyExists; TooLarge where there is no room for more. Action: update, of
// any name in the store.
func (s *Service) CreateEvent(ctx context.Context, c Call, store string, e Event) (*Event, error) {
	return run(ctx, s, c, access.Update, Ref{Store: store, Event: e.Name}, func(ctx context.Context, j *job) (*Event, error) {
		if err := e.check(); err != nil {
			return nil, err
		}
		now := s.now().UTC().Truncate(time.Millisecond)
		made := e
		made.ID, made.Created, made.Updated = uuid.NewString(), now, now
		repeated := s.repeats.recent(j)
		err := editNote(ctx, j, eventsKey, func(n *eventsNote) (bool, error) {
			switch old := n.find(e.Name); {
			case old != nil && repeated && old.sameAs(&e):
				made = *old
				return false, nil
			case old != nil:
				return false, secret.Errorf(secret.AlreadyExists, "an event of this name exists")
			case len(n.events) >= MaxEvents:
				return false, secret.Errorf(secret.TooLarge, "a store has at most %d events", MaxEvents)
			}
			n.events = append(n.events, made)
			return true, nil
		})
		s.repeats.note(j, secret.UID{}, err)
		return &made, tooMany(err)
	})
}

// tooMany says what a note over its limit means here.
func tooMany(err error) error {
	if errors.Is(err, errNoteFull) {
		return secret.Errorf(secret.TooLarge, "the store has no room for more events of this length")
	}
	return err
}

func (e *Event) sameAs(o *Event) bool {
	return slices.Equal(e.Types, o.Types) && e.Enabled == o.Enabled && e.Target == o.Target
}

// Events lists the events of a store by name. Action: list, of any name.
func (s *Service) Events(ctx context.Context, c Call, store string) ([]Event, error) {
	return run(ctx, s, c, access.List, Ref{Store: store}, func(ctx context.Context, j *job) ([]Event, error) {
		n, _, err := readNote[eventsNote](ctx, j, eventsKey)
		return n.events, err
	})
}

// Event returns one event. Action: list, of any name.
func (s *Service) Event(ctx context.Context, c Call, store, name string) (*Event, error) {
	return run(ctx, s, c, access.List, Ref{Store: store, Event: name}, func(ctx context.Context, j *job) (*Event, error) {
		n, _, err := readNote[eventsNote](ctx, j, eventsKey)
		if err != nil {
			return nil, err
		}
		return n.get(name)
	})
}

// UpdateEvent changes an event. Action: update, of any name.
func (s *Service) UpdateEvent(ctx context.Context, c Call, store, name string, p EventPatch) (*Event, error) {
	return run(ctx, s, c, access.Update, Ref{Store: store, Event: name}, func(ctx context.Context, j *job) (*Event, error) {
		var out Event
		err := editNote(ctx, j, eventsKey, func(n *eventsNote) (bool, error) {
			e, err := n.get(name)
			if err != nil {
				return false, err
			}
			e.patch(p, s.now().UTC().Truncate(time.Millisecond))
			out = *e
			return true, e.check()
		})
		return &out, tooMany(err)
	})
}

func (e *Event) patch(p EventPatch, now time.Time) {
	if p.Types != nil {
		e.Types = p.Types
	}
	if p.Enabled != nil {
		e.Enabled = *p.Enabled
	}
	if p.Target != nil {
		e.Target = *p.Target
	}
	if now.After(e.Updated) {
		e.Updated = now
	}
}

// DeleteEvent removes an event. Conflict: a secret subscribes to it, live or in
// the trash, which costs a look at every secret of the store. One that
// subscribes in this very moment is left with an event that is gone, of which
// nothing is recorded. Action: update, of any name.
func (s *Service) DeleteEvent(ctx context.Context, c Call, store, name string) error {
	_, err := run(ctx, s, c, access.Update, Ref{Store: store, Event: name}, func(ctx context.Context, j *job) (struct{}, error) {
		repeated := s.repeats.recent(j)
		err := s.deleteEvent(ctx, j, name)
		if repeated && errors.Is(err, secret.NotFound) {
			err = nil
		}
		s.repeats.note(j, secret.UID{}, err)
		return struct{}{}, err
	})
	return err
}

func (s *Service) deleteEvent(ctx context.Context, j *job, name string) error {
	n, _, err := readNote[eventsNote](ctx, j, eventsKey)
	if err != nil {
		return err
	}
	if _, err := n.get(name); err != nil {
		return err
	}
	err = walk(ctx, j, secret.Query{WithTrash: true}, func(sec *secret.Secret) error {
		if !sec.Deleted.Over(s.now()) && slices.Contains(Subscriptions(sec.Extra), name) {
			return secret.Errorf(secret.Conflict, "a secret subscribes to the event")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return editNote(ctx, j, eventsKey, func(n *eventsNote) (bool, error) {
		if _, err := n.get(name); err != nil {
			return false, err
		}
		n.events = slices.DeleteFunc(n.events, func(e Event) bool { return e.Name == name })
		return true, nil
	})
}

// checkSubscriptions refuses (Invalid) a member of Extra that names an event
// which does not exist. One that names none costs nothing.
func checkSubscriptions(ctx context.Context, j *job, member json.RawMessage) error {
	names := subscribed(member)
	if len(names) == 0 {
		return nil
	}
	n, _, err := readNote[eventsNote](ctx, j, eventsKey)
	if err != nil {
		return err
	}
	for _, name := range names {
		if n.find(name) == nil {
			return secret.Errorf(secret.Invalid, "the secret would subscribe to an event that does not exist")
		}
	}
	return nil
}

func checkDraftSubscriptions(ctx context.Context, j *job, d *secret.Draft) error {
	if d.OfSecret != nil {
		if err := checkSubscriptions(ctx, j, d.OfSecret.Extra[ExtraSubscriptions]); err != nil {
			return err
		}
	}
	return checkSubscriptions(ctx, j, d.MergeExtra[ExtraSubscriptions])
}
