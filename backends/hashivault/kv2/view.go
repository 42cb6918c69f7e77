package kv2

import (
	"slices"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// version returns one version without its value, with its share of the labels. If
// what is kept of it is foreign, it passes for disabled.
func (s *Store) version(st *state, number int64, labels map[string]secret.Ordinal) (secret.Version, error) {
	fact := st.fact(number)
	v := secret.Version{
		Ordinal: st.head.Shifts.Ordinal(number), UID: secret.DeriveUID(s.Store, s.Mount+"/"+st.Path, strconv.FormatInt(number, 10), fact.Created),
		Created: fact.Created, Updated: fact.Created, Missing: fact.missing(s.Now()),
	}
	e, ok, err := st.entryOf(number)
	if ok {
		e.Overlay(&v, 0)
	}
	if err != nil {
		v.Disabled = true
	}
	for label, holder := range labels {
		if holder == v.Ordinal {
			v.Stages = append(v.Stages, label)
		}
	}
	slices.Sort(v.Stages)
	return v, err
}

// secret returns the secret with all versions, without values. The error says
// that some attributes are foreign; the secret is then as the others tell.
func (s *Store) secret(st *state) (*secret.Secret, error) {
	foreign := st.foreign
	out := &secret.Secret{Name: st.name}
	st.overlay(out)
	out.Current, out.Previous = st.roles()
	labels := st.labels()
	for _, number := range st.numbers {
		v, err := s.version(st, number, labels)
		if err != nil {
			foreign = err
		}
		out.Versions = append(out.Versions, v)
	}
	if out.Created.IsZero() {
		out.Created = st.born(out.Versions)
	}
	if last := out.Newest(); last != nil && (out.Updated.IsZero() || st.numbers[len(st.numbers)-1] > st.head.At && last.Created.After(out.Updated)) {
		out.Updated = last.Created
	}
	return out, foreign
}

// overlay puts what is known of the secret as a whole over out.
func (st *state) overlay(out *secret.Secret) {
	st.head.Overlay(out)
	out.Tags = st.tags()
}

// born is when the first version was made; once that was pruned, when the key
// was.
func (st *state) born(vs []secret.Version) time.Time {
	if len(st.numbers) > 0 && st.numbers[0] == 1 {
		return vs[0].Created
	}
	return st.Made
}

// history is all, which is what secret returned, as the rules know it.
func (st *state) history(all *secret.Secret) *history.Head {
	return history.Of(all, st.head.Shifts.Ordinal(st.Current+1)-1)
}

// headOf is what must be kept of h, once the version with the number at is the
// newest.
func (st *state) headOf(h *history.Head, at int64) *headEntry {
	e := headOf(h, at, st.head.Shifts, st.head.Gaps)
	return &e
}
