package access

import (
	"iter"
	"slices"
	"strings"
)

// index finds the entries that may cover a name without a look at the others:
// by what their patterns begin with.
type index struct {
	nodes []node // sorted by prefix
}

type node struct {
	prefix  string
	parent  int // the longest other prefix that this one begins with; -1: none
	entries []*entry
}

// entry is one pattern of names of one rule.
type entry struct {
	rule    *rule
	pattern pattern
}

func newIndex(entries []*entry, fold bool) index {
	by := map[string][]*entry{}
	for _, e := range entries {
		p := e.pattern.prefix(fold)
		by[p] = append(by[p], e)
	}
	var x index
	for prefix, of := range by {
		x.nodes = append(x.nodes, node{prefix: prefix, entries: of})
	}
	slices.SortFunc(x.nodes, func(a, b node) int { return strings.Compare(a.prefix, b.prefix) })
	for i := range x.nodes {
		parent := i - 1
		for parent >= 0 && !strings.HasPrefix(x.nodes[i].prefix, x.nodes[parent].prefix) {
			parent = x.nodes[parent].parent
		}
		x.nodes[i].parent = parent
	}
	return x
}

// covering are the entries whose prefix the name begins with. Those lie on the
// way up from the last prefix that does not sort behind the name.
func (x *index) covering(name string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		lo, hi := 0, len(x.nodes)
		for lo < hi {
			if mid := int(uint(lo+hi) >> 1); x.nodes[mid].prefix <= name {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		for i := lo - 1; i >= 0; i = x.nodes[i].parent {
			if !strings.HasPrefix(name, x.nodes[i].prefix) {
				continue
			}
			for _, e := range x.nodes[i].entries {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// bucket is what the rules for one pattern of callers and one of stores say.
type bucket struct {
	store   string // the pattern of stores
	entries []*entry
	exact   index
	folded  index
	some    actionSet // that some name is granted to whoever asks
	open    []*entry  // that may grant one, if the caller has what the pattern takes
}

func (b *bucket) add(e *entry) {
	b.entries = append(b.entries, e)
	if e.pattern.open() {
		b.open = append(b.open, e)
	} else {
		b.some |= e.rule.actions
	}
}

func (b *bucket) index(fold bool) *index {
	if fold {
		return &b.folded
	}
	return &b.exact
}

// allowsSome reports whether the caller may do one of the actions to some name.
func (b *bucket) allowsSome(s *subject, a actionSet) bool {
	return b.some&a != 0 || slices.ContainsFunc(b.open, func(e *entry) bool {
		_, ok := e.pattern.of(s, false)
		return ok && e.rule.actions&a != 0
	})
}

// buckets are those for one pattern of callers.
type buckets struct {
	callers string
	literal map[string]*bucket // by name of the store
	wild    []*bucket
}

func (b *buckets) bucket(store string) *bucket {
	at := b.literal[store]
	if at == nil {
		at = &bucket{store: store}
		b.literal[store] = at
		if isPattern(store) {
			b.wild = append(b.wild, at)
		}
	}
	return at
}

// forStore are the buckets that are about the store.
func (b *buckets) forStore(store string) iter.Seq[*bucket] {
	return func(yield func(*bucket) bool) {
		if at := b.literal[store]; at != nil && !isPattern(store) && !yield(at) {
			return
		}
		for _, at := range b.wild {
			if (at.store == "*" || Match(at.store, store)) && !yield(at) {
				return
			}
		}
	}
}

func isPattern(s string) bool { return strings.ContainsAny(s, "*?") }
