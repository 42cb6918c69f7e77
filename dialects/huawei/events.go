package huawei

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/secret"
)

// eventTypes are the vendor's words for what can happen.
var eventTypes = map[events.Type]string{
	events.VersionCreated: "SECRET_VERSION_CREATED",
	events.VersionExpired: "SECRET_VERSION_EXPIRED",
	events.SecretRotated:  "SECRET_ROTATED",
	events.SecretDeleted:  "SECRET_DELETED",
	events.RotationFailed: "SECRET_ROTATED_FAILED",
}

// targetSMN is the one type of target that the vendor knows.
const targetSMN = "SMN"

// maxTarget bounds a target's id and name. The vendor names no bound.
const maxTarget = 512

type notification struct {
	Type string `json:"target_type"`
	ID   string `json:"target_id"`
	Name string `json:"target_name"`
}

type eventObject struct {
	Name         string       `json:"name"`
	ID           string       `json:"event_id"`
	Types        []string     `json:"event_types"`
	State        string       `json:"state"`
	CreateTime   int64        `json:"create_time"`
	UpdateTime   int64        `json:"update_time"`
	Notification notification `json:"notification"`
}

type (
	eventAnswer struct {
		Event eventObject `json:"event"`
	}
	eventsAnswer struct {
		Events   []eventObject `json:"events"`
		PageInfo pageInfo      `json:"page_info"`
	}
)

func renderEvent(e *events.Event) eventObject {
	o := eventObject{
		Name: e.Name, ID: e.ID, State: stateDisabled, CreateTime: millis(e.Created), UpdateTime: millis(e.Updated),
		Notification: notification{e.Target.Type, e.Target.ID, e.Target.Name},
	}
	if e.Enabled {
		o.State = stateEnabled
	}
	for _, t := range e.Types {
		o.Types = append(o.Types, eventTypes[t])
	}
	return o
}

// eventBody is that of a creation and of an update, which lacks the name. A
// null is as good as nothing.
type eventBody struct {
	Name         *string         `json:"name"`
	Types        *[]string       `json:"event_types"`
	State        *string         `json:"state"`
	Notification json.RawMessage `json:"notification"`
}

func (b *eventBody) event() (events.Event, error) {
	p, err := b.patch()
	switch {
	case err != nil:
		return events.Event{}, err
	case b.Name == nil || p.Types == nil || p.Enabled == nil || p.Target == nil:
		return events.Event{}, secret.Errorf(secret.Invalid, "name, event_types, state and notification are needed")
	}
	return events.Event{Name: *b.Name, Types: p.Types, Enabled: *p.Enabled, Target: *p.Target}, checkEventName(*b.Name)
}

// patch reads all but the name.
func (b *eventBody) patch() (p events.Patch, err error) {
	if b.Types != nil {
		if p.Types, err = readTypes(*b.Types); err != nil {
			return p, err
		}
	}
	if b.State != nil {
		if *b.State != stateEnabled && *b.State != stateDisabled {
			return p, secret.Errorf(secret.Invalid, "state must be %s or %s", stateEnabled, stateDisabled)
		}
		p.Enabled = new(*b.State == stateEnabled)
	}
	if n := b.Notification; n != nil && !bytes.Equal(n, []byte("null")) {
		p.Target, err = readTarget(n)
	}
	return p, err
}

func readTypes(words []string) ([]events.Type, error) {
	var types []events.Type
	for t, word := range eventTypes {
		if slices.Contains(words, word) {
			types = append(types, t)
		}
	}
	switch {
	case len(words) == 0:
		return nil, secret.Errorf(secret.Invalid, "event_types is empty")
	case len(types) != len(words):
		return nil, secret.Errorf(secret.Invalid, "event_types holds a type that does not exist, or one twice")
	}
	slices.SortFunc(types, func(a, b events.Type) int { // as they were given
		return slices.Index(words, eventTypes[a]) - slices.Index(words, eventTypes[b])
	})
	return types, nil
}

func readTarget(raw json.RawMessage) (*events.Target, error) {
	var n notification
	if err := decode(raw, &n); err != nil {
		return nil, err
	}
	switch {
	case n.Type != targetSMN:
		return nil, secret.Errorf(secret.Invalid, "target_type must be %s", targetSMN)
	case n.ID == "" || n.Name == "" || len(n.ID) > maxTarget || len(n.Name) > maxTarget:
		return nil, secret.Errorf(secret.Invalid, "target_id and target_name are 1 to %d bytes", maxTarget)
	}
	return &events.Target{Type: n.Type, ID: n.ID, Name: n.Name}, nil
}

func checkEventName(name string) error {
	if !label(name, "-_") {
		return secret.Errorf(secret.Invalid, "the name of an event is 1 to %d letters, digits, hyphens and underscores", maxLabel)
	}
	return nil
}

func (r *request) event() (string, error) {
	name := r.Vars["event_name"]
	return name, checkEventName(name)
}

func (a *api) createEvent(r *request) (any, error) {
	var body eventBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	e, err := body.event()
	if err != nil {
		return nil, err
	}
	return answerEvent(a.events.Create(r.Context(), r.write(), r.store, e))
}

func (a *api) showEvent(r *request) (any, error) {
	name, err := r.event()
	if err != nil {
		return nil, err
	}
	return answerEvent(a.events.Get(r.Context(), r.call, r.store, name))
}

func (a *api) updateEvent(r *request) (any, error) {
	name, err := r.event()
	if err != nil {
		return nil, err
	}
	var body eventBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if body.Name != nil {
		return nil, badFormat("the name of an event does not change")
	}
	p, err := body.patch()
	if err != nil {
		return nil, err
	}
	return answerEvent(a.events.Update(r.Context(), r.write(), r.store, name, p))
}

func (a *api) deleteEvent(r *request) (any, error) {
	name, err := r.event()
	if err != nil {
		return nil, err
	}
	return nil, a.events.Delete(r.Context(), r.write(), r.store, name)
}

func answerEvent(e *events.Event, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return eventAnswer{renderEvent(e)}, nil
}

func (a *api) listEvents(r *request) (any, error) {
	q, err := parsePage(r)
	if err != nil {
		return nil, err
	}
	if q.marker != "" {
		if err := checkEventName(q.marker); err != nil {
			return nil, err
		}
	}
	all, err := a.events.List(r.Context(), r.call, r.store)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e events.Event) bool { return strings.Compare(e.Name, q.marker) <= 0 })
	out := eventsAnswer{Events: []eventObject{}}
	for i := range all[:min(len(all), q.limit)] {
		out.Events = append(out.Events, renderEvent(&all[i]))
	}
	out.PageInfo = pageOf(out.Events, len(all) > q.limit, func(e eventObject) string { return e.Name })
	return out, nil
}

// subscriptions reads event_subscriptions into the member of Extra that holds
// them; nil: none. Whether there is such an event is the gateway's to say.
func subscriptions(names []string) (json.RawMessage, error) {
	switch {
	case len(names) > 1:
		return nil, secret.Errorf(secret.Invalid, "event_subscriptions names more than one event")
	case len(names) == 0 || names[0] == "": // clients send either for none
		return nil, nil
	}
	if err := checkEventName(names[0]); err != nil {
		return nil, err
	}
	return json.Marshal(names)
}
