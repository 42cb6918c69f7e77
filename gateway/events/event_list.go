package events

import (
	"cmp"
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// eventList is the state record of a store's events, sorted by name.
type eventList struct{ events []Event }

func (l *eventList) find(name string) *Event {
	i := slices.IndexFunc(l.events, func(e Event) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return &l.events[i]
}

func (l *eventList) get(name string) (*Event, error) {
	if e := l.find(name); e != nil {
		return e, nil
	}
	return nil, secret.Errorf(secret.NotFound, "no such event")
}

// storedEvents is the JSON of an eventList. Times are milliseconds.
type storedEvents struct {
	V      int           `json:"v"`
	Events []storedEvent `json:"events"`
}

type storedEvent struct {
	Name    string `json:"name"`
	ID      string `json:"id"`
	Types   []Type `json:"types"`
	Enabled bool   `json:"enabled"`
	Target  Target `json:"target"`
	Created int64  `json:"created"`
	Updated int64  `json:"updated"`
}

// MarshalJSON implements json.Marshaler.
func (l eventList) MarshalJSON() ([]byte, error) {
	out := storedEvents{V: stateVersion, Events: []storedEvent{}}
	for _, e := range l.events {
		out.Events = append(out.Events, storedEvent{
			Name: e.Name, ID: e.ID, Types: e.Types, Enabled: e.Enabled, Target: e.Target,
			Created: e.Created.UnixMilli(), Updated: e.Updated.UnixMilli(),
		})
	}
	slices.SortFunc(out.Events, func(a, b storedEvent) int { return cmp.Compare(a.Name, b.Name) })
	return encodeState(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *eventList) UnmarshalJSON(b []byte) error {
	var in storedEvents
	if err := decodeState(b, &in, &in.V); err != nil {
		return err
	}
	l.events = nil
	for _, e := range in.Events {
		l.events = append(l.events, Event{
			Name: e.Name, ID: e.ID, Types: e.Types, Enabled: e.Enabled, Target: e.Target,
			Created: fromMillis(e.Created), Updated: fromMillis(e.Updated),
		})
	}
	return nil
}
