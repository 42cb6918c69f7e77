package events

import (
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

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

// Type is what can happen to a secret.
type Type string

// The types. Nothing rotates here, so two of them never happen.
const (
	VersionCreated Type = "version-created"
	VersionExpired Type = "version-expired"
	SecretDeleted  Type = "deleted"
	SecretRotated  Type = "rotated"
	RotationFailed Type = "rotation-failed"
)

// Types lists them all.
func Types() []Type {
	return []Type{VersionCreated, VersionExpired, SecretDeleted, SecretRotated, RotationFailed}
}

// Event says which happenings of the secrets that subscribe to it are worth a
// record, and who is to hear of them.
type Event struct {
	Name    string // in its store
	ID      string // a UUID
	Types   []Type
	Enabled bool
	Target  Target
	Created time.Time
	Updated time.Time
}

// Target is whom a client wants to be notified. Nobody checks it.
type Target struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Patch changes an event. A nil member leaves what is there.
type Patch struct {
	Types   []Type
	Enabled *bool
	Target  *Target
}

// MaxEvents bounds the events of a store, as the vendor does.
const MaxEvents = 30

const maxText = 512

func (e *Event) check() error {
	for _, s := range []string{e.Name, e.Target.Type, e.Target.ID, e.Target.Name} {
		if s == "" || len(s) > maxText || !utf8.ValidString(s) {
			return secret.Errorf(secret.Invalid, "the name and the target of an event are 1 to %d bytes of UTF-8", maxText)
		}
	}
	types := slices.Sorted(slices.Values(e.Types))
	unknown := slices.ContainsFunc(types, func(t Type) bool { return !slices.Contains(Types(), t) })
	if len(types) == 0 || unknown || len(slices.Compact(types)) != len(e.Types) {
		return secret.Errorf(secret.Invalid, "an event has one or more types, none of them twice")
	}
	return nil
}

func (e *Event) sameAs(o *Event) bool {
	return slices.Equal(e.Types, o.Types) && e.Enabled == o.Enabled && e.Target == o.Target
}

func (e *Event) patch(p Patch, now time.Time) {
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
