package bolt

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strconv"
)

// What a page of the file is known to be.
const (
	pageUnknown = iota
	pageFree
	pageUsed
)

// walker visits all that one state of a file holds, each page once, and tells
// of all that is wrong on the way.
type walker struct {
	*pageFile
	ctx    context.Context // of one walk
	state  []byte          // of each page
	damage func(where, what string)
}

func newWalker(ctx context.Context, f *pageFile, damage func(where, what string)) *walker {
	w := &walker{pageFile: f, ctx: ctx, state: make([]byte, max(f.end, 2)), damage: damage}
	w.state[0], w.state[1] = pageUsed, pageUsed
	return w
}

// readFree reads which pages are free, and returns how many. It comes before
// the walk, which tells where one of them is in use.
func (w *walker) readFree() int {
	if w.freelist == noFreelist {
		w.damage("", "it has no list of free pages")
		return 0
	}
	ids, list, err := w.free()
	if list != nil {
		w.take(list, "the list of free pages")
	}
	if err != nil {
		w.damage("", fmt.Sprintf("page %d, the list of free pages: %v", w.freelist, err))
	}
	for _, id := range ids {
		if w.state[id] != pageUnknown {
			w.damage("", fmt.Sprintf("page %d is free twice, or in use as well", id))
		}
		w.state[id] = pageFree
	}
	return len(ids)
}

// take marks a page as in use, and reports whether it may be: a page is read
// once, so that no damage turns the walk in circles.
func (w *walker) take(p *page, where string) bool {
	if p.id+uint64(p.over) >= w.end {
		w.damage(where, fmt.Sprintf("page %d: it is longer than the file", p.id))
		return false
	}
	for id := p.id; id <= p.id+uint64(p.over); id++ {
		switch w.state[id] {
		case pageUsed:
			w.damage(where, fmt.Sprintf("page %d is in use twice", id))
			return false
		case pageFree: // the next write may overwrite it
			w.damage(where, fmt.Sprintf("page %d is in use and free as well", id))
		}
		w.state[id] = pageUsed
	}
	return true
}

// finish tells of pages that the walk did not meet and that are not free.
func (w *walker) finish() {
	lost, first := 0, 0
	for id, s := range w.state {
		if s == pageUnknown {
			if lost++; lost == 1 {
				first = id
			}
		}
	}
	if lost > 0 {
		w.damage("", fmt.Sprintf("pages in no use that are not free either: %d, from page %d on", lost, first))
	}
}

// span is the keys that a page may hold: from min, below max. Nil: any.
type span struct{ min, max []byte }

// tree is one bucket.
type tree struct {
	name   string
	root   uint64
	inline []byte // the page itself, where it is small and lies in the bucket of buckets
}

// buckets lists those of the file.
func (w *walker) buckets() map[string]tree {
	out := map[string]tree{}
	for e := range w.elements(tree{name: "the list of buckets", root: w.bucket}) {
		if !e.bucket || len(e.value) < bucketSize || native.Uint64(e.value[8:]) != 0 {
			w.damage("", "the bucket "+quoted(e.key)+" is none")
			continue
		}
		t := tree{name: string(e.key), root: native.Uint64(e.value)}
		if t.root == 0 {
			t.inline = e.value[bucketSize:]
		} else if len(e.value) > bucketSize {
			w.damage("", "the bucket "+quoted(e.key)+" is followed by what does not belong to it")
		}
		out[t.name] = t
	}
	return out
}

func quoted(name []byte) string { return strconv.Quote(string(name)) }

// records yields the keys and values of a bucket, in strictly ascending order:
// a key that breaks it is told of and left out.
func (w *walker) records(t tree) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for e := range w.elements(t) {
			if e.bucket {
				w.damage(t.name, "there is a bucket where a record belongs")
			} else if !yield(e.key, e.value) {
				return
			}
		}
	}
}

func (w *walker) elements(t tree) iter.Seq[element] {
	return func(yield func(element) bool) {
		if t.inline == nil {
			w.visit(t.name, t.root, span{}, yield)
			return
		}
		if len(t.inline) < pageHeader {
			w.damage(t.name, "it is cut short")
			return
		}
		p, err := parsePage(0, t.inline)
		if err == nil && (p.over != 0 || p.flags != flagLeaf) {
			err = errLayout
		}
		if err != nil {
			w.damage(t.name, err.Error())
			return
		}
		w.leaf(t.name, p, span{}, yield)
	}
}

// visit reports whether to go on.
func (w *walker) visit(where string, id uint64, in span, yield func(element) bool) bool {
	if w.ctx.Err() != nil {
		return false
	}
	p, err := w.read(id)
	if err != nil {
		w.damage(where, fmt.Sprintf("page %d%s: %v", id, in, err))
		if id < w.end && w.state[id] == pageUnknown {
			w.state[id] = pageUsed // though it is of no use
		}
		return true
	}
	if !w.take(p, where) {
		return true
	}
	if p.flags == flagBranch {
		return w.branch(where, p, in, yield)
	}
	return w.leaf(where, p, in, yield)
}

func (w *walker) leaf(where string, p *page, in span, yield func(element) bool) bool {
	for _, e := range w.ordered(where, p, in) {
		if !yield(e) {
			return false
		}
	}
	return true
}

func (w *walker) branch(where string, p *page, in span, yield func(element) bool) bool {
	es := w.ordered(where, p, in)
	if len(es) == 0 {
		w.damage(where, fmt.Sprintf("page %d%s: it leads nowhere", p.id, in))
	}
	for i, e := range es {
		below := span{e.key, in.max}
		if i+1 < len(es) {
			below.max = es[i+1].key
		}
		if !w.visit(where, e.child, below, yield) {
			return false
		}
	}
	return true
}

// ordered are the entries of a page whose keys ascend within the span. Of two
// that do not, the one that fits neither neighbour is left out.
func (w *walker) ordered(where string, p *page, in span) (out []element) {
	all, err := p.elements()
	if err != nil {
		w.damage(where, fmt.Sprintf("page %d%s: %v", p.id, in, err))
	}
	last, strict := in.min, false // the first may equal what its branch says
	for i, e := range all {
		c := bytes.Compare(e.key, last)
		astray := c < 0 || c == 0 && strict || in.max != nil && bytes.Compare(e.key, in.max) >= 0
		if !astray && i+1 < len(all) && bytes.Compare(e.key, all[i+1].key) >= 0 {
			astray = bytes.Compare(all[i+1].key, last) > 0
		}
		if astray {
			w.damage(where, fmt.Sprintf("page %d%s: entry %d is out of order", p.id, in, i))
			continue
		}
		last, strict = e.key, true
		out = append(out, e)
	}
	return out
}

// String says which secrets a page is about.
func (s span) String() string {
	if s.min == nil && s.max == nil {
		return ""
	}
	name := func(key []byte) string {
		before, _, _ := bytes.Cut(key, []byte{0})
		return quoted(before)
	}
	if s.max == nil {
		return " (from " + name(s.min) + " on)"
	}
	return " (" + name(s.min) + " to " + name(s.max) + ")"
}
