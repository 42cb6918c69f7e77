package kv2

import (
	"context"
	"strings"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// change is a set of entries to write, by key; an empty one is removed.
type change struct {
	versions map[string]string
	head     *headEntry // nil: as it is
}

// layout is where the entries of a change go.
type layout struct {
	custom    map[string]any
	companion map[string]string
	settings  map[string]any // of the key, by the product's names
}

// layOut finds each entry its place: custom_metadata while it has room, else
// the companion. Tags come first, for native tools see them.
func (st *state) layOut(c change) layout {
	l := layout{custom: map[string]any{}, companion: map[string]string{}}
	head := st.layOutTags(c.head, &l)
	used := st.keys(&l)
	if st.Custom[headKey] == "" {
		used++ // kept free for it
	}
	if n := st.newcomers(c); n > 1 && used+n > maxKeys {
		used = maxKeys // all of them beside: each read of a version brings custom_metadata along
	}
	for key, text := range c.versions {
		_, there := st.Custom[key]
		switch {
		case text == "":
			if there {
				l.custom[key] = nil
			}
			if _, beside := st.more.entries[key]; beside {
				l.companion[key] = ""
			}
		case len(text) <= maxEntry && (there || used < maxKeys):
			if l.custom[key] = text; !there {
				used++
			}
		default:
			if l.companion[key] = text; there { // or the old one would hide it
				l.custom[key] = nil
			}
		}
	}
	st.layOutHead(head, &l)
	return l
}

// newcomers counts the entries that would be new in custom_metadata.
func (st *state) newcomers(c change) int {
	n := 0
	for key, text := range c.versions {
		if _, there := st.Custom[key]; !there && text != "" && len(text) <= maxEntry {
			n++
		}
	}
	return n
}

func (st *state) layOutHead(changed *headEntry, l *layout) {
	e, more := st.head, st.head.More || len(l.companion) > 0
	switch {
	case changed != nil:
		e = *changed
	case more == st.head.More:
		return
	default:
		e.Stages, e.Will = st.labels(), nil
		e.At, e.Roles = st.Current, new(sidecar.Roles)
		e.Roles.Current, e.Roles.Previous = st.roles()
	}
	e.More, e.Rest = more, false
	text := sidecar.ASCII(e)
	if len(text) > maxEntry {
		l.companion[headKey] = text
		text = sidecar.ASCII(e.short())
	}
	l.custom[headKey] = text
}

// write writes a layout. What comes into the companion comes first: nothing points to
// it before. What custom_metadata takes the place of goes last.
func (s *Store) write(ctx context.Context, st *state, l layout) error {
	first, last := l.companion, map[string]string(nil)
	if l.bringsEntries() {
		first, last = map[string]string{}, map[string]string{}
		for key, text := range l.companion {
			if text == "" {
				last[key] = ""
			} else {
				first[key] = text
			}
		}
	}
	if len(first) > 0 {
		if err := s.writeCompanion(ctx, st, first); err != nil {
			return err
		}
	}
	if err := s.patchMetadata(ctx, st.Path, l.custom, l.settings); err != nil || len(last) == 0 {
		return err
	}
	return s.writeCompanion(ctx, st, last)
}

// bringsEntries reports whether an entry of a version comes into custom_metadata.
func (l *layout) bringsEntries() bool {
	for key, text := range l.custom {
		if text != nil && strings.HasPrefix(key, versionKey) {
			return true
		}
	}
	return false
}

// save writes a change and makes the state show it.
func (s *Store) save(ctx context.Context, st *state, c change) error {
	l := st.layOut(c)
	if err := s.write(ctx, st, l); err != nil {
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
	if len(l.companion) > 0 {
		st.more.entries = st.more.merged(l.companion, st.incarnation())
	}
	if err := st.parseHead(); err != nil {
		return err
	}
	return st.mergeCompanion()
}

func (st *state) setCustom(key, s string) {
	if st.Custom == nil {
		st.Custom = map[string]string{}
	}
	st.Custom[key] = s
}

// admit refuses, before anything is written, entries for which even the
// companion has no room.
func (st *state) admit(entries map[string]string) error {
	size, grows := 0, false
	for key, text := range entries {
		if len(text) > len("{}") && (key != headKey || len(text) > maxEntry) {
			size += connection.EntrySize(text)
			grows = grows || st.more.entries[key] != text
		}
	}
	for key, text := range st.more.entries {
		if _, replaced := entries[key]; !replaced {
			size += connection.EntrySize(text)
		}
	}
	if grows && size > connection.MaxCompanion {
		return secret.Errorf(secret.TooLarge, "the attributes are too large for Vault")
	}
	return nil
}
