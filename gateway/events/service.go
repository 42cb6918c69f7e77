package events

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// Service is what a dialect asks about events. Every operation is authorised
// and audited by the gateway. The policy's patterns of names cover the names of
// events as those of secrets. All are Unsupported in a store whose backend is
// no backends.StateStore.
type Service struct {
	gateway  *gateway.Service
	recorder *Recorder
}

// New returns the events of g, whose writes r observes.
func New(g *gateway.Service, r *Recorder) *Service { return &Service{gateway: g, recorder: r} }

// Create makes an event of e, which brings no ID and no times. Kinds:
// AlreadyExists; TooLarge where there is no room for more. Action: update, of
// the event's name.
func (s *Service) Create(ctx context.Context, c gateway.Call, store string, e Event) (*Event, error) {
	return gateway.Do(ctx, s.gateway, c, access.Update, gateway.Ref{Store: store, Event: e.Name}, func(ctx context.Context, j hook.Job) (*Event, error) {
		if err := errors.Join(mayTouch(j, e.Name), e.check()); err != nil {
			return nil, err
		}
		now := j.Now().UTC().Truncate(time.Millisecond)
		made := e
		made.ID, made.Created, made.Updated = uuid.NewString(), now, now
		repeated := j.Repeats()
		err := editState(ctx, s.recorder, j, eventsKey, func(l *eventList) (bool, error) {
			switch old := l.find(e.Name); {
			case old != nil && repeated && old.sameAs(&e):
				made = *old
				return false, nil
			case old != nil:
				return false, secret.Errorf(secret.AlreadyExists, "an event of this name exists")
			case len(l.events) >= MaxEvents:
				return false, secret.Errorf(secret.TooLarge, "a store has at most %d events", MaxEvents)
			}
			l.events = append(l.events, made)
			return true, nil
		})
		j.Remember(err)
		return &made, tooMany(err)
	})
}

// tooMany says what a full state record means here.
func tooMany(err error) error {
	if errors.Is(err, errStateFull) {
		return secret.Errorf(secret.TooLarge, "the store has no room for more events of this length")
	}
	return err
}

// mayTouch refuses an event that is none of the caller's before it is looked for.
func mayTouch(j hook.Job, name string) error {
	if !j.Allowed(secret.Name(name)) {
		return secret.Errorf(secret.Denied, "no permission for this event")
	}
	return nil
}

// List lists the events of a store by name, those that the caller may list.
// Action: list.
func (s *Service) List(ctx context.Context, c gateway.Call, store string) ([]Event, error) {
	return gateway.Do(ctx, s.gateway, c, access.List, gateway.Ref{Store: store}, func(ctx context.Context, j hook.Job) ([]Event, error) {
		l, _, err := readState[eventList](ctx, j, eventsKey)
		return slices.DeleteFunc(l.events, func(e Event) bool { return mayTouch(j, e.Name) != nil }), err
	})
}

// Get returns one event. Action: list, of its name.
func (s *Service) Get(ctx context.Context, c gateway.Call, store, name string) (*Event, error) {
	return gateway.Do(ctx, s.gateway, c, access.List, gateway.Ref{Store: store, Event: name}, func(ctx context.Context, j hook.Job) (*Event, error) {
		if err := mayTouch(j, name); err != nil {
			return nil, err
		}
		l, _, err := readState[eventList](ctx, j, eventsKey)
		if err != nil {
			return nil, err
		}
		return l.get(name)
	})
}

// Update changes an event. Action: update, of its name.
func (s *Service) Update(ctx context.Context, c gateway.Call, store, name string, p Patch) (*Event, error) {
	return gateway.Do(ctx, s.gateway, c, access.Update, gateway.Ref{Store: store, Event: name}, func(ctx context.Context, j hook.Job) (*Event, error) {
		if err := mayTouch(j, name); err != nil {
			return nil, err
		}
		var out Event
		err := editState(ctx, s.recorder, j, eventsKey, func(l *eventList) (bool, error) {
			e, err := l.get(name)
			if err != nil {
				return false, err
			}
			e.patch(p, j.Now().UTC().Truncate(time.Millisecond))
			out = *e
			return true, e.check()
		})
		return &out, tooMany(err)
	})
}

// Delete removes an event. Conflict: a secret subscribes to it, live or in the
// trash, which costs a look at every secret of the store. One that subscribes
// in this very moment is left with an event that is gone, of which nothing is
// recorded. Action: update, of its name.
func (s *Service) Delete(ctx context.Context, c gateway.Call, store, name string) error {
	_, err := gateway.Do(ctx, s.gateway, c, access.Update, gateway.Ref{Store: store, Event: name}, func(ctx context.Context, j hook.Job) (struct{}, error) {
		if err := mayTouch(j, name); err != nil {
			return struct{}{}, err
		}
		repeated := j.Repeats()
		err := s.remove(ctx, j, name)
		if repeated && errors.Is(err, secret.NotFound) {
			err = nil
		}
		j.Remember(err)
		return struct{}{}, err
	})
	return err
}

func (s *Service) remove(ctx context.Context, j hook.Job, name string) error {
	l, _, err := readState[eventList](ctx, j, eventsKey)
	if err != nil {
		return err
	}
	if _, err := l.get(name); err != nil {
		return err
	}
	unseen, err := walk(ctx, j, secret.Query{WithTrash: true}, func(sec *secret.Secret) error {
		if !sec.Deleted.Over(j.Now()) && slices.Contains(Subscriptions(sec.Extra), name) {
			return secret.Errorf(secret.Conflict, "a secret subscribes to the event")
		}
		return nil
	})
	if err == nil {
		err = maySubscribe(unseen)
	}
	if err != nil {
		return err
	}
	return editState(ctx, s.recorder, j, eventsKey, func(l *eventList) (bool, error) {
		if _, err := l.get(name); err != nil {
			return false, err
		}
		l.events = slices.DeleteFunc(l.events, func(e Event) bool { return e.Name == name })
		return true, nil
	})
}

// maySubscribe refuses where secrets could not be seen. What native tools called
// by a name that is none of the model's subscribes to nothing.
func maySubscribe(unseen []secret.LeftOut) error {
	unseen = slices.DeleteFunc(unseen, func(l secret.LeftOut) bool { return !l.Incomplete() || l.Name == "" })
	if len(unseen) == 0 {
		return nil
	}
	return secret.Errorf(secret.Upstream, "secrets that the gateway may not list could subscribe to the event")
}

// walk visits every secret of the store, whoever may list it, until an error, and
// returns what the list left out.
func walk(ctx context.Context, j hook.Job, q secret.Query, visit func(*secret.Secret) error) (leftOut []secret.LeftOut, err error) {
	for {
		page, err := j.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, sec := range page.Secrets {
			if err := visit(sec); err != nil {
				return nil, err
			}
		}
		leftOut = append(leftOut, page.LeftOut...)
		if q.After = page.Next; page.Next == "" {
			return leftOut, nil
		}
	}
}
