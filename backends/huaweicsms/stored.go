package huaweicsms

import (
	"cmp"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// stored makes one secret of the product's facts and of the trailer:
//
//   - A version's ordinal is its number and the trailer's shift, unless its
//     entry says another. Numbers rise, so ordinals do.
//   - Its identity and times are its entry's, else derived from the product's.
//   - Roles and labels are the product's; the trailer says where there is none.
//   - Description and tags are the product's, less the trailer.
//   - Until an import is finished nobody has proved which version has which
//     number, so no value of it is given out.
type stored struct {
	secret.Secret // values are missing
	writer
	trailer trailer
	numbers []int64 // of Versions
}

// uidScope is what derived UIDs depend on: where a store's secrets live.
type uidScope struct{ store, project string }

// extraType is the member of a secret's Extra that names its type, where that
// is not the common one.
const extraType = "huawei.secret_type"

func newStored(scope uidScope, name secret.Name, f *facts) *stored {
	h := &stored{Secret: secret.Secret{Name: name}, writer: writer{facts: f}}
	text, t := split(f.wire, f.description)
	if t != nil {
		h.trailer = *t
	}
	if h.Description, h.Tags = text, readTags(f.tags); h.Tags == nil && h.trailer.Tags != nil {
		h.Tags = map[string]string{}
	}
	uids := map[secret.UID]bool{}
	var last secret.Ordinal
	for i := range f.versions {
		v := &f.versions[i]
		if slices.Contains(h.trailer.Surplus, v.number) {
			continue
		}
		m := h.version(v)
		m.Ordinal = max(m.Ordinal, last+1)
		if m.UID.IsZero() || uids[m.UID] {
			m.UID = secret.DeriveUID(scope.store, scope.project+"/"+f.wire, idOf(v.number), v.created)
		}
		uids[m.UID], last = true, m.Ordinal
		h.Versions, h.numbers = append(h.Versions, m), append(h.numbers, v.number)
	}
	h.setRoles()
	h.setTimes()
	h.Extra = secret.Extra(h.trailer.Extra).Clone()
	if f.kind != kindCommon {
		h.Extra = h.Extra.WithText(extraType, f.kind)
	}
	if f.pending() {
		h.Deleted = h.deletion()
	}
	return h
}

func (h *stored) version(v *versionFact) secret.Version {
	e := h.trailer.entry(v.number)
	m := secret.Version{Ordinal: cmp.Or(e.Ordinal, h.trailer.Shifts.Ordinal(v.number)), Created: v.created, Expires: v.expires}
	e.Overlay(&m, heldNative)
	if e.Endless.End() && v.expires.Unix() == maxExpires {
		m.Expires = time.Time{}
	}
	if !h.facts.readable() && !h.facts.pending() {
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
	return stage != sysCurrent && stage != sysPrevious && stage != keepStage
}

// setRoles takes the product's, unless the trailer knows better.
func (h *stored) setRoles() {
	shown := h.facts.roles()
	h.Current, h.Previous = h.ordinal(shown[0]), h.ordinal(shown[1])
	if r := h.trailer.Roles; r != nil && h.trailer.ShownBy == shown {
		h.Current, h.Previous = r.Current, r.Previous
		for _, role := range []*secret.Ordinal{&h.Current, &h.Previous} {
			if h.number(*role) == 0 { // the product has taken the version away
				*role = 0
			}
		}
	}
}

// ordinal is that of a number; zero if there is no such version.
func (h *stored) ordinal(number int64) secret.Ordinal {
	if i := slices.Index(h.numbers, number); i >= 0 {
		return h.Versions[i].Ordinal
	}
	return 0
}

// number is that of an ordinal; zero if there is no such version.
func (h *stored) number(o secret.Ordinal) int64 {
	if i := h.index(o); i >= 0 {
		return h.numbers[i]
	}
	return 0
}

func (h *stored) index(o secret.Ordinal) int {
	return slices.IndexFunc(h.Versions, func(v secret.Version) bool { return v.Ordinal == o })
}

// setTimes leaves the product's own time of the last change alone: it moves
// with a deletion that was cancelled. What native tools change of a description
// or a tag does not show.
func (h *stored) setTimes() {
	h.Created, h.Updated = h.facts.created, h.trailer.Updated.Time
	for i := range h.Versions {
		v, e := &h.Versions[i], h.trailer.entry(h.numbers[i])
		if i == 0 && v.Created.Before(h.Created) {
			h.Created = v.Created
		}
		if h.trailer.Updated.IsZero() || e.Created.IsZero() {
			h.Updated = history.Later(h.Updated, v.Updated)
		}
	}
	h.Created = history.OrTime(h.trailer.Created.Time, h.Created)
	h.Updated = history.OrTime(h.Updated, h.Created)
}

// deletion reckons when the secret was deleted from when it goes: the product
// does not say. Of a deletion by native tools, which chose a number of days
// that nobody knows, its last change is as near as one gets.
func (h *stored) deletion() *secret.Deletion {
	f := h.facts
	at := f.scheduled.AddDate(0, 0, -h.trailer.Days)
	if h.trailer.Days == 0 || f.scheduled.IsZero() {
		at = history.OrTime(f.updated, f.created)
	}
	return &secret.Deletion{At: at, Purge: f.scheduled}
}

func (h *stored) unfinished() bool { return h.trailer.Import != "" }

// setValue reads the value of one version, or finds why there is none.
func (h *stored) setValue(i int, read func(number int64) (content, error)) error {
	v, number, c := &h.Versions[i], h.numbers[i], content{hidden: true}
	if v.Missing != "" {
		return nil
	}
	if !h.unfinished() {
		var err error
		if c, err = read(number); err != nil {
			return err
		}
	}
	if c.hidden {
		v.Disabled, v.Missing = true, secret.Unreadable
	} else {
		v.Value = c.value(h.trailer.entry(number).Form)
	}
	return nil
}
