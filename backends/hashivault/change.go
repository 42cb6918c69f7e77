package hashivault

import (
	"context"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// change is a set of entries to write, by key; an empty one is removed.
type change struct {
	records map[string]string
	head    *head // nil: as it is
}

// layout is where the entries of a change go.
type layout struct {
	custom    map[string]any
	companion map[string]string
}

// layOut finds each entry its place: custom_metadata while it has room, else
// the companion.
func (st *state) layOut(c change) layout {
	l := layout{custom: map[string]any{}, companion: map[string]string{}}
	used := len(st.Custom)
	if st.Custom[headKey] == "" {
		used++ // kept free for it
	}
	if n := st.newcomers(c); n > 1 && used+n > maxKeys {
		used = maxKeys // all of them beside: each read of a version brings custom_metadata along
	}
	for key, s := range c.records {
		_, there := st.Custom[key]
		switch {
		case s == "":
			if there {
				l.custom[key] = nil
			}
			if _, beside := st.more.entries[key]; beside {
				l.companion[key] = ""
			}
		case len(s) <= maxEntry && (there || used < maxKeys):
			if l.custom[key] = s; !there {
				used++
			}
		default:
			if l.companion[key] = s; there { // or the old one would hide it
				l.custom[key] = nil
			}
		}
	}
	st.layOutHead(c.head, &l)
	return l
}

// newcomers counts the records that would be new in custom_metadata.
func (st *state) newcomers(c change) int {
	n := 0
	for key, s := range c.records {
		if _, there := st.Custom[key]; !there && s != "" && len(s) <= maxEntry {
			n++
		}
	}
	return n
}

func (st *state) layOutHead(h *head, l *layout) {
	more := st.head.More || len(l.companion) > 0
	if h == nil {
		if more == st.head.More {
			return
		}
		c := st.head.clone()
		c.Current, c.Previous = st.roles()
		c.At = st.Current
		h = &c
	}
	h.More, h.Rest = more, false
	s := ascii(h)
	if len(s) > maxEntry {
		l.companion[headKey] = s
		*h = withCore(*h)
		s = ascii(h.core())
	}
	l.custom[headKey] = s
}

func withCore(h head) head {
	h.over(h.core())
	return h
}

// settle writes a change and makes the state show it. The companion comes
// first: nothing points to it before.
func (w *write) settle(ctx context.Context, c change) error {
	if len(c.records) == 0 && c.head == nil {
		return nil
	}
	st := w.st
	l := st.layOut(c)
	if len(l.companion) > 0 {
		if err := w.s.writeCompanion(ctx, st, l.companion); err != nil {
			return err
		}
	}
	if !w.wrote {
		w.ahead = l
	}
	if err := w.s.patchCustom(ctx, st.path, l.custom); err != nil {
		return err
	}
	return st.absorb(l)
}

// absorb makes the state that of the product after the layout was written.
func (st *state) absorb(l layout) error {
	for key, s := range l.custom {
		if text, ok := s.(string); ok {
			st.setCustom(key, text)
		} else {
			delete(st.Custom, key)
		}
	}
	for key, s := range l.companion {
		if st.more.entries == nil {
			st.more.entries = map[string]string{}
		}
		if st.more.entries[key] = s; s == "" {
			delete(st.more.entries, key)
		}
	}
	st.head = head{}
	if err := st.parseHead(); err != nil {
		return err
	}
	return st.mergeHead()
}

func (st *state) setCustom(key, s string) {
	if st.Custom == nil {
		st.Custom = map[string]string{}
	}
	st.Custom[key] = s
}

// ahead lists the keys of records that were put down ahead of the number.
func (st *state) ahead(number int64) []string {
	var out []string
	for _, entries := range []map[string]string{st.Custom, st.more.entries} {
		for k := range entries {
			if strings.HasPrefix(k, aheadOf(number)) {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	return out
}

// admit refuses, before anything is written, attributes for which even the
// companion has no room.
func (st *state) admit(more ...string) error {
	size := 0
	for _, s := range more {
		if len(s) > 2 { // "{}" is of one who has none
			size += quotedSize(s)
		}
	}
	if size == 0 {
		return nil
	}
	for _, s := range st.more.entries {
		size += quotedSize(s)
	}
	if size > maxCompanion {
		return secret.Errorf(secret.TooLarge, "the attributes are too large for Vault")
	}
	return nil
}
