package azurekv

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
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
//     second the newest comes last, as long as a version-less read tells which
//     one that is; of the others the product's id decides, which is no order in
//     time. So numbers of such versions change once another is written.
//   - Newest is what a version-less read gives: of those of one second the
//     one that was written last: of an import the version marked so, else the
//     highest ordinal.
//   - Current is whom the newest's tag names, else the newest itself. So what
//     native tools add becomes current, and the former current previous; to
//     them the newest always is.
//   - Previous is what the newest's tag says, else who was current before it.
//   - What belongs to the secret as a whole stands in the newest's tag. Native
//     tools that add a version do not hide it: then the newest tag counts that
//     tells of it. The secret's tags are those of the product at that version, if
//     the tag says so, and the version is then without; else they stand in the tag.
type stored struct {
	secret.Secret
	items   []item  // as they were listed
	entries []entry // as Versions
	highest secret.Ordinal
	newest  string // the product's id of the version that is current to native tools
	teller  string // and of the one whose tag speaks for the secret; "": none does
}

type entry struct {
	item
	ordinal secret.Ordinal
	uid     secret.UID
}

// origin is where secrets live, for derived UIDs.
type origin struct{ store, vault string }

// newStored takes at least one item. newest is the product's id of the one
// that a version-less read gives, "" where nobody asked.
func newStored(o origin, name secret.Name, items []item, newest string) *stored {
	h := &stored{Secret: secret.Secret{Name: name}, items: items, entries: number(identify(o, items, newest), newest)}
	for i := range h.entries {
		e := &h.entries[i]
		h.highest = max(h.highest, e.ordinal)
		if e.tellsSecret() {
			h.highest = max(h.highest, e.tag.Secret.Highest)
		}
	}
	order := byCurrency(h.entries)
	if i := slices.IndexFunc(order, func(e *entry) bool { return e.id == newest }); i >= 0 {
		e := order[i]
		order = append(slices.Delete(order, i, i+1), e) // whoever is newest came last
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
func identify(o origin, items []item, newest string) []entry {
	byAge := slices.SortedFunc(slices.Values(items), func(a, b item) int {
		return cmp.Or(a.created.Compare(b.created), a.written().Compare(b.written()), compareNewest(a.id, b.id, newest), strings.Compare(a.id, b.id))
	})
	holder := map[sidecar.UID]*item{}
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
			case t.importMark() != "" && t.importMark() == first.tag.importMark() && it.created.Sub(first.created) <= repeatWindow:
				continue
			}
		}
		e := entry{item: *it, uid: secret.DeriveUID(o.store, o.vault+"/"+strings.ToLower(it.name), it.id, it.created)}
		e.tag = nil
		out = append(out, e)
	}
	return out
}

// compareNewest puts the newest last.
func compareNewest(a, b, newest string) int {
	switch {
	case a == b:
		return 0
	case a == newest:
		return 1
	case b == newest:
		return -1
	}
	return 0
}

// number gives each version its ordinal and sorts by it. It gets the oldest
// first.
func number(entries []entry, newest string) []entry {
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
		for e.ordinal = floor(entries, e, e.id == newest) + 1; taken[e.ordinal]; e.ordinal++ {
		}
		taken[e.ordinal] = true
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.ordinal, b.ordinal) })
	return entries
}

// floor is the highest ordinal of a version that is surely older than e: all
// others of its second are, if it is the newest.
func floor(entries []entry, e *entry, newest bool) secret.Ordinal {
	var o secret.Ordinal
	for i := range entries {
		f := &entries[i]
		if f.created.Before(e.created) || (f.created.Equal(e.created) && (newest || f.imported())) {
			o = max(o, f.ordinal)
		}
	}
	return o
}

func (e *entry) imported() bool { return e.tag != nil && e.tag.importMark() != "" }

// tellsSecret reports whether the version's tag tells of the secret as a whole.
func (e *entry) tellsSecret() bool { return e.tag != nil && e.tag.Secret != nil }

// byCurrency sorts by who became the newest after whom.
func byCurrency(entries []entry) []*entry {
	out := make([]*entry, len(entries))
	for i := range entries {
		out[i] = &entries[i]
	}
	slices.SortFunc(out, func(a, b *entry) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.ordinal, b.ordinal))
	})
	return out
}

// rank orders the writes of one second: imports come first, for they never
// touch a secret that is there, and end with the version marked as last.
func (e *entry) rank() int {
	switch {
	case !e.imported():
		return 2
	case e.tag.Last != "":
		return 1
	}
	return 0
}

// undecided reports whether the order in time says nothing about who is
// newest, for a native version shares the last second.
func undecided(o origin, items []item) bool {
	entries := identify(o, items, "")
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
	labelled := false
	for i := range h.entries {
		e := &h.entries[i]
		v := e.version()
		v.Ordinal, v.UID = e.ordinal, e.uid
		if e.tag != nil {
			v.Stages, labelled = e.tag.Stages, labelled || len(e.tag.Stages) > 0
		}
		h.Versions = append(h.Versions, v)
	}
	if !labelled {
		return
	}
	labels := history.Of(&h.Secret, 0).Labels() // of two with one label, the later took it
	for i := range h.Versions {
		h.Versions[i].Stages = labels[h.Versions[i].Ordinal]
	}
}

func (h *stored) setRoles(order []*entry) {
	last := len(order) - 1
	h.Current = h.currentAfter(order[last])
	switch newest := order[last]; {
	case newest.tellsSecret():
		h.Previous = newest.named(newest.tag.Secret.Roles.Previous)
	case last > 0:
		h.Previous = h.currentAfter(order[last-1])
	}
}

// currentAfter is who is current as long as e is the newest.
func (h *stored) currentAfter(e *entry) secret.Ordinal {
	if !e.tellsSecret() {
		return e.ordinal
	}
	o := e.named(e.tag.Secret.Roles.Current)
	if o != 0 && h.Find(secret.ByOrdinal(o)) == nil {
		return e.ordinal
	}
	return o
}

// named is whom e's tag means by an ordinal.
func (e *entry) named(o secret.Ordinal) secret.Ordinal {
	if o == e.tag.Ordinal {
		return e.ordinal
	}
	return o
}

func (h *stored) setSecret(order []*entry) {
	for i := range h.Versions {
		v := &h.Versions[i]
		h.Updated = history.Later(h.Updated, v.Updated)
		if h.Created.IsZero() || v.Created.Before(h.Created) {
			h.Created = v.Created
		}
	}
	newest := order[len(order)-1]
	for _, e := range slices.Backward(order) {
		if e.tellsSecret() {
			h.teller = e.id
			h.takeSecret(e, e == newest)
			break
		}
	}
	if n := newest.name; n != strings.ToLower(n) {
		h.Extra = h.Extra.WithText(extraName, n)
	}
}

// takeSecret takes what e's tag says of the secret. Of its last change the newest
// version alone can know.
func (h *stored) takeSecret(e *entry, newest bool) {
	updated := h.Updated
	v := h.Find(secret.ByOrdinal(e.ordinal))
	h.Created, h.Updated = v.Created, v.Updated
	e.tag.Secret.Overlay(&h.Secret)
	h.Tags = maps.Clone(e.ofSecret())
	switch {
	case !newest:
		h.Updated = updated
	case e.touched():
		h.Updated = history.Later(h.Updated, e.updated)
	}
}

// find returns the entry of a version, which must be there.
func (h *stored) find(o secret.Ordinal) *entry {
	i := slices.IndexFunc(h.entries, func(e entry) bool { return e.ordinal == o })
	return &h.entries[i]
}

// state is h for who asks what it is to be next.
func (h *stored) state() *history.State {
	return &history.State{Head: *history.Of(&h.Secret, h.highest), Versions: h.Clone().Versions}
}

// isEmpty reports whether there is no version: the name is free.
func (h *stored) isEmpty() bool { return len(h.entries) == 0 }

func (h *stored) hasOpened() bool {
	return slices.ContainsFunc(h.entries, func(e entry) bool { return e.isOpened() })
}

// unfinished reports whether all there is are parts of one import that never
// wrote its last version.
func (h *stored) unfinished() bool {
	return !slices.ContainsFunc(h.entries, func(e entry) bool { return e.tag == nil || e.tag.Import == "" })
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
