package kv2

import (
	"maps"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
)

// ours reports whether a key of custom_metadata is the gateway's. All others are
// tags of the secret: native tools see and set them.
func ours(key string) bool { return strings.HasPrefix(key, headKey) }

// maxTagKey is the server's limit of a key, in bytes.
const maxTagKey = 128

// spellable reports whether a tag can stand in custom_metadata as it is.
func spellable(key, value string) bool {
	return !ours(key) && key != "" && len(key) <= maxTagKey && value != "" && len(value) <= maxEntry &&
		connection.Printable(key) && connection.Printable(value)
}

// splitTags parts tags into those that stand natively, and the rest, which our
// own entry keeps. What stands already stays, for it needs no more room. Nothing
// to keep is nil, but for tags that are set to nothing.
func (st *state) splitTags(tags map[string]string) (native, rest map[string]string) {
	if len(tags) == 0 {
		return nil, maps.Clone(tags)
	}
	native = map[string]string{}
	for k, v := range tags {
		if old, there := st.Custom[k]; there && !ours(k) && (v == old || spellable(k, v)) {
			native[k] = v
		}
	}
	room := maxNative - st.entries()
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if _, done := native[k]; done {
			continue
		}
		if spellable(k, tags[k]) && len(native) < room {
			native[k] = tags[k]
			continue
		}
		if rest == nil {
			rest = map[string]string{}
		}
		rest[k] = tags[k]
	}
	return native, rest
}

// tags are the secret's: custom_metadata, and what our entry keeps of them.
// Where both name a key, the native one was set later.
func (st *state) tags() map[string]string {
	out := maps.Clone(st.head.Tags)
	for k, v := range st.Custom {
		if ours(k) {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out
}

// entries counts what stands of versions in custom_metadata.
func (st *state) entries() int {
	n := 0
	for k := range st.Custom {
		if strings.HasPrefix(k, versionKey) || strings.HasPrefix(k, aheadKey) {
			n++
		}
	}
	return n
}

// beside is e less what stands natively.
func (st *state) beside(e *headEntry) *headEntry {
	out := *e
	_, out.Tags = st.splitTags(e.Tags)
	return &out
}

// layOutTags gives the tags of a changed head their places, and returns the head
// with the rest.
func (st *state) layOutTags(changed *headEntry, l *layout) *headEntry {
	if changed == nil {
		return nil
	}
	native, _ := st.splitTags(changed.Tags)
	for k := range st.Custom {
		if _, stays := native[k]; !ours(k) && !stays {
			l.custom[k] = nil
		}
	}
	for k, v := range native {
		if st.Custom[k] != v {
			l.custom[k] = v
		}
	}
	return st.beside(changed)
}

// keys counts the keys of custom_metadata once l is written.
func (st *state) keys(l *layout) int {
	n := 0
	for k := range st.Custom {
		if text, changed := l.custom[k]; !changed || text != nil {
			n++
		}
	}
	for k, text := range l.custom {
		if _, there := st.Custom[k]; !there && text != nil {
			n++
		}
	}
	return n
}
