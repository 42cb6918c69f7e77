package control

import (
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// wireSecret is a secret on the socket. Extra is not carried: it is for the
// dialects, and may hold secrets.
type wireSecret struct {
	Name        secret.Name       `json:"name"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitzero"`
	Created     time.Time         `json:"created,omitzero"`
	Updated     time.Time         `json:"updated,omitzero"`
	Current     secret.Ordinal    `json:"current"`
	Previous    secret.Ordinal    `json:"previous"`
	Versions    []wireVersion     `json:"versions"`
	Deleted     *wireDeletion     `json:"deleted,omitempty"`
}

type wireDeletion struct {
	At    time.Time `json:"at,omitzero"`
	Purge time.Time `json:"purge,omitzero"`
}

type wireVersion struct {
	Ordinal     secret.Ordinal    `json:"version"`
	UID         string            `json:"uid"`
	Value       *wireValue        `json:"value,omitempty"`
	Missing     secret.Missing    `json:"missing,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Tags        map[string]string `json:"tags,omitzero"`
	Disabled    bool              `json:"disabled,omitempty"`
	NotBefore   time.Time         `json:"not_before,omitzero"`
	Expires     time.Time         `json:"expires,omitzero"`
	Created     time.Time         `json:"created,omitzero"`
	Updated     time.Time         `json:"updated,omitzero"`
	Stages      []string          `json:"stages,omitempty"`
}

// wireValue discloses a value. Only an operation that returns values makes one.
type wireValue struct {
	Form string `json:"form"`
	Data []byte `json:"data"`
}

type wirePage struct {
	Secrets []*wireSecret `json:"secrets"`
	Next    secret.Name   `json:"next,omitempty"`
	LeftOut []wireLeftOut `json:"left_out,omitempty"`
}

type wireLeftOut struct {
	Why    secret.LeftOutReason `json:"why"`
	Name   secret.Name          `json:"name,omitempty"`
	Native string               `json:"native,omitempty"`
	Detail string               `json:"detail,omitempty"`
}

func leftOutToWire(all []secret.LeftOut) []wireLeftOut {
	var w []wireLeftOut
	for _, l := range all {
		w = append(w, wireLeftOut(l))
	}
	return w
}

func leftOutFromWire(all []wireLeftOut) []secret.LeftOut {
	var out []secret.LeftOut
	for _, w := range all {
		out = append(out, secret.LeftOut(w))
	}
	return out
}

func pageToWire(p secret.Page) wirePage {
	w := wirePage{Next: p.Next, LeftOut: leftOutToWire(p.LeftOut)}
	for _, s := range p.Secrets {
		w.Secrets = append(w.Secrets, secretToWire(s))
	}
	return w
}

func (w wirePage) page() secret.Page {
	p := secret.Page{Next: w.Next, LeftOut: leftOutFromWire(w.LeftOut)}
	for _, s := range w.Secrets {
		p.Secrets = append(p.Secrets, s.secret())
	}
	return p
}

func secretToWire(s *secret.Secret) *wireSecret {
	if s == nil {
		return nil
	}
	w := &wireSecret{
		Name: s.Name, Description: s.Description, Tags: s.Tags, Created: s.Created, Updated: s.Updated,
		Current: s.Current, Previous: s.Previous,
	}
	for i := range s.Versions {
		w.Versions = append(w.Versions, versionToWire(&s.Versions[i]))
	}
	if s.Deleted != nil {
		w.Deleted = &wireDeletion{s.Deleted.At, s.Deleted.Purge}
	}
	return w
}

func (w *wireSecret) secret() *secret.Secret {
	if w == nil {
		return nil
	}
	s := &secret.Secret{
		Name: w.Name, Description: w.Description, Tags: w.Tags, Created: w.Created, Updated: w.Updated,
		Current: w.Current, Previous: w.Previous,
	}
	for i := range w.Versions {
		s.Versions = append(s.Versions, w.Versions[i].version())
	}
	if w.Deleted != nil {
		s.Deleted = &secret.Deletion{At: w.Deleted.At, Purge: w.Deleted.Purge}
	}
	return s
}

func versionToWire(v *secret.Version) wireVersion {
	return wireVersion{
		Ordinal: v.Ordinal, UID: v.UID.String(), Value: valueToWire(v.Value), Missing: v.Missing,
		ContentType: v.ContentType, Tags: v.Tags, Disabled: v.Disabled, NotBefore: v.NotBefore, Expires: v.Expires,
		Created: v.Created, Updated: v.Updated, Stages: v.Stages,
	}
}

func (w *wireVersion) version() secret.Version {
	uid, _ := secret.ParseUID(w.UID) // one that is none: zero
	return secret.Version{
		Ordinal: w.Ordinal, UID: uid, Value: w.Value.value(), Missing: w.Missing,
		ContentType: w.ContentType, Tags: w.Tags, Disabled: w.Disabled, NotBefore: w.NotBefore, Expires: w.Expires,
		Created: w.Created, Updated: w.Updated, Stages: w.Stages,
	}
}

func valueToWire(v secret.Value) *wireValue {
	if v.IsNone() {
		return nil
	}
	return &wireValue{Form: v.Form().String(), Data: v.Reveal()}
}

func (w *wireValue) value() secret.Value {
	switch {
	case w == nil:
		return secret.Value{}
	case w.Form == secret.Text.String():
		return secret.TextBytes(w.Data)
	case w.Form == secret.Fields.String():
		return secret.FieldsValue(w.Data)
	}
	return secret.BinaryValue(w.Data)
}
