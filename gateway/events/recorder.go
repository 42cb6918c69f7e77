package events

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// Recorder observes the writes of a gateway: see gateway.Options.Writes. It
// refuses a subscription to an event that does not exist, and records what
// happens to a secret that subscribes. A write to a secret that subscribes to
// nothing costs no call to the product.
type Recorder struct{ edits kit.KeyedLock } // of a store's state, by its name

// NewRecorder returns a Recorder for one gateway.
func NewRecorder() *Recorder { return new(Recorder) }

// patience bounds what a call that has done its work waits for records of it.
const patience = 3 * time.Second

// Before implements hook.Observer. It records what has expired before an edit
// hides it.
func (r *Recorder) Before(ctx context.Context, j hook.Job, i hook.Intent) error {
	if i.OfSecret != nil {
		if err := checkSubscriptions(ctx, j, i.OfSecret.Extra[ExtraSubscriptions]); err != nil {
			return err
		}
	}
	if err := checkSubscriptions(ctx, j, i.MergeExtra[ExtraSubscriptions]); err != nil || i.Patch == nil {
		return err
	}
	changed, subscribes := i.Patch.Extra[ExtraSubscriptions]
	if err := checkSubscriptions(ctx, j, changed); err != nil {
		return err
	}
	if i.Secret != nil && (subscribes || i.Patch.Expires != nil) {
		r.record(ctx, j, i.Secret, expiries(i.Secret, j.Now()))
	}
	return nil
}

// checkSubscriptions refuses (Invalid) a member of Extra that names an event
// which does not exist. One that names none costs nothing.
func checkSubscriptions(ctx context.Context, j hook.Job, member json.RawMessage) error {
	names := subscribed(member)
	if len(names) == 0 {
		return nil
	}
	l, _, err := readState[eventList](ctx, j, eventsKey)
	if err != nil {
		return err
	}
	for _, name := range names {
		if l.find(name) == nil {
			return &secret.Error{Kind: secret.Invalid, Detail: "the secret would subscribe to an event that does not exist", Err: errNoEvent}
		}
	}
	return nil
}

var errNoEvent = errors.New("there is no such event")

// Restoring implements hook.Observer: a subscription to an event that the store
// does not have would come to life with whatever event is made under that name.
func (r *Recorder) Restoring(ctx context.Context, j hook.Job, s *secret.Secret) ([]secret.Loss, error) {
	switch err := checkSubscriptions(ctx, j, s.Extra[ExtraSubscriptions]); {
	case err == nil:
		return nil, nil
	case errors.Is(err, errNoEvent), errors.Is(err, secret.Unsupported): // then the store has no events at all
		return []secret.Loss{{Grade: secret.Trace, What: loss.Subscriptions, Why: "the store has no event of that name"}}, nil
	default:
		return nil, err
	}
}

// After implements hook.Observer.
func (r *Recorder) After(ctx context.Context, j hook.Job, op hook.Op, sec *secret.Secret) {
	var all []happening
	switch op {
	case hook.Put, hook.Append:
		for i := range sec.Versions {
			v := &sec.Versions[i]
			at := v.Created
			if op == hook.Append {
				at = j.Now()
			}
			all = append(all, happening{VersionCreated, v.Ordinal, at})
		}
	case hook.Delete:
		now := j.Now() // a product may know whole seconds alone
		all = append(expiries(sec, now), happening{what: SecretDeleted, at: now})
	}
	r.record(ctx, j, sec, all)
}

// record keeps what happened to sec, if it subscribes to an event. It comes
// after work that is done, or before work that is worth more than a record: it
// cannot fail, and the client's leaving does not stop it.
func (r *Recorder) record(ctx context.Context, j hook.Job, sec *secret.Secret, all []happening) {
	if len(all) == 0 || len(Subscriptions(sec.Extra)) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	l, _, err := readState[eventList](ctx, j, eventsKey)
	switch {
	case errors.Is(err, secret.Unsupported): // a store without events, and a secret from elsewhere
	case err != nil:
		lost(ctx, j, sec.Name, err)
	default:
		r.keep(ctx, j, sec.Name, l.records(sec, all))
	}
}

// keep adds records to those of the store.
func (r *Recorder) keep(ctx context.Context, j hook.Job, name secret.Name, more []Record) {
	if len(more) == 0 {
		return
	}
	err := editState(ctx, r, j, recordsKey, func(l *recordList) (bool, error) { return l.merge(more, j.Now()), nil })
	if err != nil {
		lost(ctx, j, name, err)
	}
}

func lost(ctx context.Context, j hook.Job, name secret.Name, err error) {
	j.Warn(ctx, "notification records may be lost", name, err)
}
