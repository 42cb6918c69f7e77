package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Record says that something happened to a secret that subscribed to an event
// of this type. Nobody has been told.
type Record struct {
	Event   string
	Type    EventType
	Time    time.Time // of the happening: the expiry itself, where a version expired
	Secret  secret.Name
	Version secret.Ordinal // zero where the secret as a whole is meant
	Target  EventTarget    // as it was when this was recorded
}

// recordPatience bounds what a call that has done its work waits for records
// of it.
const recordPatience = 3 * time.Second

// Records lists what happened in a store, newest first, of the secrets that
// the caller may list. Action: list.
//
// It is a bounded list: of the last three months, and of those what has room in
// a note, some hundred. What happened outside of this gateway is not in it, nor
// what a call could not record after its work was done. Expiries are looked for
// when the list is asked for, before a secret is deleted and before it is
// edited: that costs a look at every secret, where an event asks for them.
func (s *Service) Records(ctx context.Context, c Call, store string) ([]Record, error) {
	return run(ctx, s, c, access.List, Ref{Store: store}, func(ctx context.Context, j *job) ([]Record, error) {
		expired, err := s.findExpired(ctx, j)
		if err != nil {
			return nil, err
		}
		n, _, err := readNote[recordsNote](ctx, j, recordsKey)
		if err != nil {
			return nil, err
		}
		if n.merge(expired, s.now()) && !j.ReadOnly {
			s.keepRecords(ctx, j, "", expired)
		}
		return slices.DeleteFunc(n.records, func(r Record) bool { return !j.allowed(r.Secret) }), nil
	})
}

// findExpired looks through the store for versions that have expired, of
// secrets that subscribe to an event which wants to know.
func (s *Service) findExpired(ctx context.Context, j *job) ([]Record, error) {
	events, _, err := readNote[eventsNote](ctx, j, eventsKey)
	wants := func(e Event) bool { return e.Enabled && slices.Contains(e.Types, VersionExpired) }
	if err != nil || !slices.ContainsFunc(events.events, wants) {
		return nil, err
	}
	var out []Record
	err = walk(ctx, j, secret.Query{}, func(sec *secret.Secret) error {
		if !slices.ContainsFunc(Subscriptions(sec.Extra), func(name string) bool {
			e := events.find(name)
			return e != nil && wants(*e)
		}) {
			return nil
		}
		whole, err := j.Backend.Describe(ctx, sec.Name) // the list may hold the current version alone
		switch {
		case errors.Is(err, secret.NotFound): // gone meanwhile
			return nil
		case err != nil:
			return err
		}
		out = append(out, events.records(whole, expiries(whole, s.now()))...)
		return nil
	})
	return out, err
}

// walk visits every secret of the store, whoever may list it, until an error.
func walk(ctx context.Context, j *job, q secret.Query, visit func(*secret.Secret) error) error {
	for {
		page, err := j.Backend.List(ctx, q)
		if err != nil {
			return err
		}
		for _, sec := range page.Secrets {
			if err := visit(sec); err != nil {
				return err
			}
		}
		if q.After = page.Next; page.Next == "" {
			return nil
		}
	}
}

// happening is what a secret can have a record of.
type happening struct {
	what    EventType
	version secret.Ordinal
	at      time.Time
}

// expiries are those that have passed.
func expiries(sec *secret.Secret, now time.Time) []happening {
	var out []happening
	for i := range sec.Versions {
		if v := &sec.Versions[i]; !v.Expires.IsZero() && !v.Expires.After(now) {
			out = append(out, happening{VersionExpired, v.Ordinal, v.Expires})
		}
	}
	return out
}

// records are what the events that sec subscribes to want to know of all. What
// expired before an event was made is none of its business.
func (n *eventsNote) records(sec *secret.Secret, all []happening) []Record {
	var out []Record
	for _, name := range Subscriptions(sec.Extra) {
		e := n.find(name)
		if e == nil || !e.Enabled {
			continue
		}
		for _, h := range all {
			if !slices.Contains(e.Types, h.what) || h.what == VersionExpired && h.at.Before(e.Created) {
				continue
			}
			out = append(out, Record{
				Event: name, Type: h.what, Time: h.at.UTC().Truncate(time.Millisecond),
				Secret: sec.Name, Version: h.version, Target: e.Target,
			})
		}
	}
	return out
}

// recordVersions records that the versions in sec were made just now.
func (s *Service) recordVersions(ctx context.Context, j *job, sec *secret.Secret) {
	var made []happening
	for i := range sec.Versions {
		made = append(made, happening{VersionCreated, sec.Versions[i].Ordinal, sec.Versions[i].Created})
	}
	s.record(ctx, j, sec, made)
}

// recordDeletion records that sec was deleted just now, and what of it had
// expired.
func (s *Service) recordDeletion(ctx context.Context, j *job, sec *secret.Secret) {
	now := s.now() // a product may know whole seconds alone
	s.record(ctx, j, sec, append(expiries(sec, now), happening{what: SecretDeleted, at: now}))
}

// recordExpired records what of sec has expired, before an edit hides it.
func (s *Service) recordExpired(ctx context.Context, j *job, sec *secret.Secret, p *secret.Patch) {
	_, events := p.Extra[ExtraSubscriptions]
	if p.Expires != nil || events {
		s.record(ctx, j, sec, expiries(sec, s.now()))
	}
}

// record keeps what happened to sec, if it subscribes to an event. It comes
// after work that is done, or before work that is worth more than a record: it
// cannot fail, and the client's leaving does not stop it.
func (s *Service) record(ctx context.Context, j *job, sec *secret.Secret, all []happening) {
	if len(all) == 0 || len(Subscriptions(sec.Extra)) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()
	events, _, err := readNote[eventsNote](ctx, j, eventsKey)
	if err != nil {
		s.lost(ctx, j, sec.Name, err)
		return
	}
	s.keepRecords(ctx, j, sec.Name, events.records(sec, all))
}

// keepRecords adds records to the store's note.
func (s *Service) keepRecords(ctx context.Context, j *job, name secret.Name, more []Record) {
	if len(more) == 0 {
		return
	}
	err := editNote(ctx, j, recordsKey, func(n *recordsNote) (bool, error) { return n.merge(more, s.now()), nil })
	if err != nil {
		s.lost(ctx, j, name, err)
	}
}

func (s *Service) lost(ctx context.Context, j *job, name secret.Name, err error) {
	s.log.WarnContext(ctx, "notification records may be lost", slog.String("op", j.call.Op), slog.String("store", j.Name),
		slog.String("name", string(name)), slog.String("request_id", j.call.RequestID), slog.Any("error", err))
}
