package huaweicsms

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// stored makes one secret of the product's facts and of the trailer:
//
//   - A version's ordinal is its number and the trailer's offset, unless its
//     entry says another. Numbers rise, so ordinals do.
//   - Its identity and times are its entry's, else derived from the product's.
//   - Roles and labels are the product's; the trailer says where there is none.
//   - Description and tags are the product's, less the trailer.
//   - Until an import is finished nobody has proved which version has which
//     number, so no value of it is given out.
type stored struct {
	secret.Secret // values are missing
	f             *facts
	t             trailer
	human         string
	numbers       []int64 // of Versions
}

// place is where a store's secrets live, for derived UIDs.
type place struct{ store, project string }

// extraType is the member of a secret's Extra that names its type, where that
// is not the common one.
const extraType = "huawei.secret_type"

func newStored(p place, name secret.Name, f *facts) *stored {
	h := &stored{Secret: secret.Secret{Name: name}, f: f}
	human, t := split(f.wire, f.description)
	if h.human = human; t != nil {
		h.t = *t
	}
	h.Description, h.Tags = human, readTags(f.tags)
	uids := map[secret.UID]bool{}
	var last secret.Ordinal
	for i := range f.versions {
		v, e := &f.versions[i], h.t.entry(f.versions[i].number)
		if slices.Contains(h.t.Surplus, v.number) {
			continue
		}
		m := h.version(v, &e)
		m.Ordinal = max(orElse(e.Ordinal, secret.Ordinal(v.number)+h.t.Offset), last+1)
		if m.UID = secret.UID(e.UID); m.UID.IsZero() || uids[m.UID] {
			m.UID = secret.DeriveUID(p.store, p.project+"/"+f.wire, idOf(v.number), v.created)
		}
		uids[m.UID], last = true, m.Ordinal
		h.Versions, h.numbers = append(h.Versions, m), append(h.numbers, v.number)
	}
	r := h.roles()
	h.Current, h.Previous = h.ordinal(r.Current), h.ordinal(r.Previous)
	h.setTimes()
	h.setExtra()
	if f.pending() {
		h.Deleted = h.deletion()
	}
	return h
}

func (h *stored) version(v *versionFact, e *entry) secret.Version {
	m := secret.Version{
		ContentType: e.Type, Tags: e.Tags, Disabled: e.Disabled, NotBefore: e.NotBefore.Time, Expires: v.expires,
		Created: history.OrTime(e.Created.Time, v.created),
	}
	m.Updated = history.OrTime(e.Updated.Time, m.Created)
	switch {
	case e.NoExpires && v.expires.Unix() == maxExpires:
		m.Expires = time.Time{}
	case !e.Expires.IsZero() && e.Expires.Unix() == v.expires.Unix():
		m.Expires = e.Expires.Time
	}
	if e.Extra != nil {
		m.Extra = secret.Extra(e.Extra)
	}
	if !h.f.readable() && !h.f.pending() {
		m.Disabled, m.Missing = true, secret.Unreadable // the product shows no value of it
	}
	for _, s := range v.stages {
		if custom(s) {
			m.Stages = append(m.Stages, s)
		}
	}
	slices.Sort(m.Stages)
	return m
}

func custom(stage string) bool {
	return stage != sysCurrent && stage != sysPrevious && stage != ourStage
}

// roles are the product's, unless the trailer knows better.
func (h *stored) roles() roles {
	c, p := h.f.holder(sysCurrent), h.f.holder(sysPrevious)
	if r := h.t.Roles; r != nil && r.TheirCurrent == c && r.TheirPrevious == p {
		return *r
	}
	return roles{c, p, c, p}
}

// ordinal is that of a number; zero if there is no such version.
func (h *stored) ordinal(number int64) secret.Ordinal {
	if i := slices.Index(h.numbers, number); i >= 0 {
		return h.Versions[i].Ordinal
	}
	return 0
}

// setTimes leaves the product's own time of the last change alone: it moves
// with a deletion that was cancelled. What native tools change of a description
// or a tag does not show.
func (h *stored) setTimes() {
	h.Created, h.Updated = h.f.created, h.t.Updated.Time
	for i := range h.Versions {
		v, e := &h.Versions[i], h.t.entry(h.numbers[i])
		if i == 0 && v.Created.Before(h.Created) {
			h.Created = v.Created
		}
		if h.t.Updated.IsZero() || e.Created.IsZero() {
			h.Updated = history.Later(h.Updated, v.Updated)
		}
	}
	h.Created = history.OrTime(h.t.Created.Time, h.Created)
	h.Updated = history.OrTime(h.Updated, h.Created)
}

func (h *stored) setExtra() {
	if h.t.Extra != nil {
		h.Extra = secret.Extra(h.t.Extra)
	}
	if h.f.kind != kindCommon {
		h.Extra = h.Extra.WithText(extraType, h.f.kind)
	}
}

// deletion reckons when the secret was deleted from when it goes: the product
// does not say. Of a deletion by native tools, which chose a number of days
// that nobody knows, its last change is as near as one gets.
func (h *stored) deletion() *secret.Deletion {
	at := h.f.scheduled.AddDate(0, 0, -h.t.Days)
	if h.t.Days == 0 || h.f.scheduled.IsZero() {
		at = history.OrTime(h.f.updated, h.f.created)
	}
	return &secret.Deletion{At: at, Purge: h.f.scheduled}
}

// index is that of the version that has the ordinal; it must be there.
func (h *stored) index(o secret.Ordinal) int {
	return slices.IndexFunc(h.Versions, func(v secret.Version) bool { return v.Ordinal == o })
}

func (h *stored) unfinished() bool { return h.t.Import != "" }

// value is the model's view of what the product holds.
func (h *stored) value(number int64, c content) secret.Value {
	return c.value(h.t.entry(number).Form)
}

func (c *content) value(form string) secret.Value {
	switch {
	case c.binary, form == formBinary && len(c.text) == 0:
		return secret.BinaryValue(c.text)
	case form == formFields && json.Valid(c.text) && strings.HasPrefix(strings.TrimSpace(string(c.text)), "{"):
		return secret.FieldsValue(c.text)
	}
	return secret.TextBytes(c.text)
}

// latest is the last time, in whole milliseconds, that the trailer says a
// version was made. The product sees to its own times.
func (h *stored) latest() time.Time {
	var t time.Time
	for i := range h.t.Entries {
		t = history.Later(t, h.t.Entries[i].Created.Time)
	}
	return t.Truncate(time.Millisecond)
}

// expiry is an end as the product holds it, in milliseconds of whole seconds;
// zero: none. It reports false for what is out of its range, the last second
// of which is ours.
func expiry(t time.Time) (ms int64, ok bool) {
	if t.IsZero() {
		return 0, true
	}
	s := t.Unix()
	return s * 1000, s > 0 && s < maxExpires
}

// maxExpires is the last second that the product takes: the year 2286.
const maxExpires = 9999999999

func compact(t time.Time) sidecar.Time { return sidecar.Time{Time: t} }

func orElse[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}
