package azurekv

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// stored makes one secret of the versions that the product lists, in any
// order. The product knows neither ordinals nor roles, and its times are whole
// seconds, so:
//
//   - A version's identity is its tag's. Of two with one UID the older keeps
//     it (in one second: either); the other is a native version whose writer
//     copied the tags, or, if both are of one import and of one minute, a
//     write that was thought lost and repeated: that one is left out.
//   - An ordinal is the tag's. Of two that claim one (two gateways wrote at
//     once, or a write landed after it was given up) the later keeps it.
//   - A version without gets the first free ordinal above all that are older:
//     those of earlier seconds and, of its own second, those imported. So its
//     ordinal stays as versions are added. Among native versions of one
//     second the product's id decides, which is no order in time.
//   - Newest is what a version-less read gives: of those of one second the
//     one that was written last: of an import the version marked so, else the
//     highest ordinal.
//   - Current is whom the newest's tag names, else the newest itself. So what
//     native tools add becomes current, and the former current previous; to
//     them the newest always is.
//   - Previous is what the newest's tag says, else who was current before it.
//   - What belongs to the secret as a whole stands in the newest's tag; native
//     tools that add a version do not hide it: then the newest tag counts.
type stored struct {
	secret.Secret
	entries []entry // as Versions
	highest secret.Ordinal
	newest  string // the product's id of the version that is current to native tools
}

type entry struct {
	item
	ordinal secret.Ordinal
	uid     secret.UID
}

// place is where a secret lives, for derived UIDs.
type place struct{ store, vault string }

// newStored takes at least one item. newest is the product's id of the one
// that a version-less read gives, "" where nobody asked.
func newStored(p place, name secret.Name, items []item, newest string) *stored {
	h := &stored{Secret: secret.Secret{Name: name}, entries: number(identify(p, items))}
	for i := range h.entries {
		h.highest = max(h.highest, h.entries[i].ordinal)
		if t := h.entries[i].tag; t != nil {
			h.highest = max(h.highest, t.Highest)
		}
	}
	order := byCurrency(h.entries)
	if i := slices.IndexFunc(order, func(e *entry) bool { return e.id == newest }); i >= 0 {
		order = append(slices.Delete(slices.Clone(order), i, i+1), order[i]) // whoever is newest came last
	}
	h.newest = order[len(order)-1].id
	h.setVersions()
	h.setRoles(order)
	h.setSecret(order)
	return h
}

// repeatWindow is how much later than its repeat a lost write may land.
const repeatWindow = time.Minute

// identify gives each version its UID, and drops repeated writes.
func identify(p place, items []item) []entry {
	byAge := slices.SortedFunc(slices.Values(items), func(a, b item) int {
		return cmp.Or(a.created.Compare(b.created), a.written().Compare(b.written()), strings.Compare(a.id, b.id))
	})
	holder := map[shortUID]*item{}
	var out []entry
	for i := range byAge {
		it := &byAge[i]
		if t := it.tag; t != nil {
			first := holder[t.UID]
			switch {
			case first == nil:
				holder[t.UID] = it
				out = append(out, entry{item: *it, uid: secret.UID(t.UID)})
				continue
			case t.Import != "" && t.Import == first.tag.Import && it.created.Sub(first.created) <= repeatWindow:
				continue
			}
		}
		e := entry{item: *it, uid: secret.DeriveUID(p.store, p.vault+"/"+strings.ToLower(it.name), it.id, it.created)}
		e.tag = nil
		out = append(out, e)
	}
	return out
}

// number gives each version its ordinal and sorts by it. It gets the oldest
// first.
func number(entries []entry) []entry {
	taken := map[secret.Ordinal]bool{}
	for i := range slices.Backward(entries) {
		if e := &entries[i]; e.tag != nil && !taken[e.tag.Ordinal] {
			e.ordinal = e.tag.Ordinal
			taken[e.ordinal] = true
		}
	}
	for i := range entries {
		e := &entries[i]
		if e.ordinal != 0 {
			continue
		}
		for e.ordinal = floor(entries, e) + 1; taken[e.ordinal]; e.ordinal++ {
		}
		taken[e.ordinal] = true
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.ordinal, b.ordinal) })
	return entries
}

// floor is the highest ordinal of a version that is surely older than e.
func floor(entries []entry, e *entry) secret.Ordinal {
	var o secret.Ordinal
	for i := range entries {
		f := &entries[i]
		if f.created.Before(e.created) || (f.imported() && f.created.Equal(e.created)) {
			o = max(o, f.ordinal)
		}
	}
	return o
}

func (e *entry) imported() bool { return e.tag != nil && e.tag.Import != "" }

// byCurrency sorts by who became the newest after whom.
func byCurrency(entries []entry) []*entry {
	out := make([]*entry, len(entries))
	for i := range entries {
		out[i] = &entries[i]
	}
	slices.SortFunc(out, func(a, b *entry) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.turn(), b.turn()), cmp.Compare(a.ordinal, b.ordinal))
	})
	return out
}

// turn orders the writes of one second: imports come first, for they never
// touch a secret that is there, and end with the version marked as last.
func (e *entry) turn() int {
	switch {
	case !e.imported():
		return 2
	case e.tag.Last:
		return 1
	}
	return 0
}

// undecided reports whether the order in time says nothing about who is
// newest, for a native version shares the last second.
func undecided(p place, items []item) bool {
	entries := identify(p, items)
	last := entries[len(entries)-1].created
	tied, native := 0, false
	for i := range entries {
		if e := &entries[i]; e.created.Equal(last) {
			tied++
			native = native || e.tag == nil
		}
	}
	return tied > 1 && native
}

func (h *stored) setVersions() {
	stages := map[string]secret.Ordinal{}
	for i := range h.entries {
		e := &h.entries[i]
		v := e.version()
		v.Ordinal, v.UID = e.ordinal, e.uid
		h.Versions = append(h.Versions, v)
		if e.tag != nil {
			for _, label := range e.tag.Stages {
				stages[label] = e.ordinal // the highest ordinal took it last
			}
		}
	}
	for label, o := range stages {
		v := h.Find(secret.ByOrdinal(o))
		v.Stages = append(v.Stages, label)
		slices.Sort(v.Stages)
	}
}

func (h *stored) setRoles(order []*entry) {
	last := len(order) - 1
	newest := order[last]
	h.Current = newest.current(h.entries)
	switch t := newest.tag; {
	case t != nil && t.Previous != nil:
		h.Previous = *t.Previous
	case last > 0:
		h.Previous = order[last-1].current(h.entries)
	}
}

// current is who a version makes current as long as it is the newest.
func (e *entry) current(entries []entry) secret.Ordinal {
	t := e.tag
	switch {
	case t == nil:
		return e.ordinal
	case t.NoCurrent:
		return 0
	case t.Current != 0 && slices.ContainsFunc(entries, func(f entry) bool { return f.ordinal == t.Current }):
		return t.Current
	}
	return e.ordinal
}

func (h *stored) setSecret(order []*entry) {
	at := len(order) - 1
	newest := order[at]
	if n := newest.name; n != strings.ToLower(n) {
		h.Extra = h.Extra.WithText(extraName, n)
	}
	from := at
	for from > 0 && order[from].tag == nil {
		from--
	}
	t := order[from].tag
	for i := range h.Versions {
		v := &h.Versions[i]
		h.Updated = history.Later(h.Updated, v.Updated)
		if h.Created.IsZero() || v.Created.Before(h.Created) {
			h.Created = v.Created
		}
	}
	if t == nil {
		return
	}
	holder := h.Find(secret.ByOrdinal(order[from].ordinal))
	h.Created = history.OrTime(t.SecretCreated.Time, holder.Created)
	if from == at {
		h.Updated = history.OrTime(t.SecretUpdated.Time, holder.Updated)
		if newest.touched() {
			h.Updated = history.Later(h.Updated, newest.updated)
		}
	}
	h.Description, h.Tags = t.Description, maps.Clone(t.SecretTags)
	if t.SecretExtra != nil {
		extra := secret.Extra(t.SecretExtra).Clone()
		maps.Copy(extra, h.Extra)
		h.Extra = extra
	}
}

// find returns the entry of a version, which must be there.
func (h *stored) find(o secret.Ordinal) *entry {
	i := slices.IndexFunc(h.entries, func(e entry) bool { return e.ordinal == o })
	return &h.entries[i]
}

// tied lists the native versions whose order nobody can know.
func (h *stored) tied() []secret.Ordinal {
	var out []secret.Ordinal
	for i := range h.entries {
		e := &h.entries[i]
		if e.tag == nil && slices.ContainsFunc(h.entries, func(f entry) bool {
			return f.tag == nil && f.id != e.id && f.created.Equal(e.created)
		}) {
			out = append(out, e.ordinal)
		}
	}
	return out
}
