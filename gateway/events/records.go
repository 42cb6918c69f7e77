package events

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// Record says that something happened to a secret that subscribed to an event
// of this type. Nobody has been told.
type Record struct {
	Event   string
	Type    Type
	Time    time.Time // of the happening: the expiry itself, where a version expired
	Secret  secret.Name
	Version secret.Ordinal // zero where the secret itself is meant
	Target  Target         // as it was when this was recorded
}

// Records lists what happened in a store, newest first, of the secrets that
// the caller may list. Action: list.
//
// It is a bounded list: of the last three months, and of those what has room in
// one state record, some hundred. What happened outside of this gateway is not
// in it, nor what a call could not record after its work was done. Expiries are
// looked for when the list is asked for, before a secret is deleted and before
// it is edited: that costs a look at every secret, where an event asks for them.
func (s *Service) Records(ctx context.Context, c gateway.Call, store string) ([]Record, error) {
	return gateway.Do(ctx, s.gateway, c, access.List, gateway.Ref{Store: store}, func(ctx context.Context, j hook.Job) ([]Record, error) {
		expired, err := findExpired(ctx, j)
		if err != nil {
			return nil, err
		}
		l, _, err := readState[recordList](ctx, j, recordsKey)
		if err != nil {
			return nil, err
		}
		if l.merge(expired, j.Now()) && !j.ReadOnly() {
			s.recorder.keep(ctx, j, "", expired)
		}
		return slices.DeleteFunc(l.records, func(r Record) bool { return !j.Allowed(r.Secret) }), nil
	})
}

// findExpired looks through the store for versions that have expired, of
// secrets that subscribe to an event which wants to know.
func findExpired(ctx context.Context, j hook.Job) ([]Record, error) {
	all, _, err := readState[eventList](ctx, j, eventsKey)
	wants := func(e Event) bool { return e.Enabled && slices.Contains(e.Types, VersionExpired) }
	if err != nil || !slices.ContainsFunc(all.events, wants) {
		return nil, err
	}
	var out []Record
	_, err = walk(ctx, j, secret.Query{}, func(sec *secret.Secret) error {
		if !slices.ContainsFunc(Subscriptions(sec.Extra), func(name string) bool {
			e := all.find(name)
			return e != nil && wants(*e)
		}) {
			return nil
		}
		described, err := j.Describe(ctx, sec.Name) // the list may hold the current version alone
		switch {
		case errors.Is(err, secret.NotFound): // gone meanwhile
			return nil
		case err != nil:
			return err
		}
		out = append(out, all.records(described, expiries(described, j.Now()))...)
		return nil
	})
	return out, err
}

// happening is what a secret can have a record of.
type happening struct {
	what    Type
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
func (l *eventList) records(sec *secret.Secret, all []happening) []Record {
	var out []Record
	for _, name := range Subscriptions(sec.Extra) {
		e := l.find(name)
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
