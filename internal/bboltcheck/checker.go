// Package bboltcheck finds out what is wrong with a bbolt file, and reads every
// record of it that can still be reached.
//
// It reads bbolt's pages from the file itself, with nothing taken on trust, where
// bbolt reads them through a memory map and trusts each. So it has an answer for
// a file on which bbolt panics, faults, or turns in circles. bbolt's own Tx.Check
// can do neither, nor run beside a writer; the tests hold this package against it.
//
// What a record holds is the caller's: a byte that changed within one is no
// problem of the pages.
package bboltcheck

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"
)

// Problem is one thing that is wrong.
type Problem struct {
	Where string // name of the bucket, or of another part of the file; empty: the file as such
	Page  uint64 // zero: no page in particular
	Keys  KeyRange
	What  string
}

// KeyRange is the keys that a page may hold: from From, below To. Nil: any.
type KeyRange struct{ From, To []byte }

// Bucket is one bucket of the file.
type Bucket struct {
	name   string
	root   uint64
	inline []byte // the page itself, where it is small and lies in the bucket of buckets
}

// Checker goes through one state of a file, each page once. It is done when
// each of Buckets has gone through Records; then Unreachable can be asked.
type Checker struct {
	pageReader
	ctx       context.Context // of one check
	use       []use           // of each page
	freePages int
	report    func(Problem)
}

// use is what a page is known to be used for.
type use byte

const (
	useUnknown use = iota
	useFree
	useData
)

// New reads which pages are free. The walk that follows stops when ctx ends.
func New(ctx context.Context, f io.ReaderAt, s State, report func(Problem)) *Checker {
	c := &Checker{pageReader: pageReader{f, s}, ctx: ctx, use: make([]use, max(s.Pages, 2)), report: report}
	c.use[0], c.use[1] = useData, useData
	c.takeFreelist()
	return c
}

// FreePages is how many pages hold nothing.
func (c *Checker) FreePages() int { return c.freePages }

func (c *Checker) takeFreelist() {
	const where = "the list of free pages"
	if c.freelist == noFreelist {
		c.report(Problem{What: "it has no list of free pages"})
		return
	}
	ids, list, err := c.readFreelist()
	if list != nil {
		c.markUsed(where, list, KeyRange{})
	}
	if err != nil {
		c.report(Problem{Where: where, Page: c.freelist, What: err.Error()})
	}
	for _, id := range ids {
		if c.use[id] != useUnknown {
			c.report(Problem{Page: id, What: "it is free twice, or in use as well"})
		}
		c.use[id] = useFree
	}
	c.freePages = len(ids)
}

// markUsed reports whether the page may be read: each is read once, so that no
// damage turns the walk in circles.
func (c *Checker) markUsed(where string, p *page, in KeyRange) bool {
	for id := p.id; id <= p.id+uint64(p.overflow); id++ {
		switch c.use[id] {
		case useData:
			c.report(Problem{where, id, in, "it is in use twice"})
			return false
		case useFree: // the next write may overwrite it
			c.report(Problem{where, id, in, "it is in use and free as well"})
		case useUnknown:
		}
		c.use[id] = useData
	}
	return true
}

// Unreachable lists the pages that the walk did not meet and that are not free.
func (c *Checker) Unreachable() (ids []uint64) {
	for id, u := range c.use {
		if u == useUnknown {
			ids = append(ids, uint64(id))
		}
	}
	return ids
}

// Buckets returns those of the file by name. Buckets within a bucket are none.
func (c *Checker) Buckets() map[string]Bucket {
	const where = "the list of buckets"
	out := map[string]Bucket{}
	for e := range c.elements(Bucket{name: where, root: c.root}) {
		if !e.bucket || len(e.value) < bucketSize || native.Uint64(e.value[8:]) != 0 {
			c.report(Problem{Where: where, What: strconv.Quote(string(e.key)) + " is no bucket"})
			continue
		}
		b := Bucket{name: string(e.key), root: native.Uint64(e.value)}
		if b.root == 0 {
			b.inline = e.value[bucketSize:]
		} else if len(e.value) > bucketSize {
			c.report(Problem{Where: b.name, What: "its entry in the list of buckets is too long"})
		}
		out[b.name] = b
	}
	return out
}

// Records yields the keys and values of a bucket, in strictly ascending order:
// a key that breaks it is reported and left out.
func (c *Checker) Records(b Bucket) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for e := range c.elements(b) {
			if e.bucket {
				c.report(Problem{Where: b.name, What: "there is a bucket where a record belongs"})
			} else if !yield(e.key, e.value) {
				return
			}
		}
	}
}

func (c *Checker) elements(b Bucket) iter.Seq[element] {
	return func(yield func(element) bool) {
		if b.inline == nil {
			c.visit(b.name, b.root, KeyRange{}, yield)
			return
		}
		if len(b.inline) < pageHeader {
			c.report(Problem{Where: b.name, What: "it is cut short"})
			return
		}
		p, err := parsePage(0, b.inline)
		if err == nil && (p.overflow != 0 || p.flags != flagLeaf) {
			err = errLayout
		}
		if err != nil {
			c.report(Problem{Where: b.name, What: err.Error()})
			return
		}
		c.leaf(b.name, p, KeyRange{}, yield)
	}
}

// visit reports whether to go on.
func (c *Checker) visit(where string, id uint64, in KeyRange, yield func(element) bool) bool {
	if c.ctx.Err() != nil {
		return false
	}
	p, err := c.read(id)
	if err != nil {
		c.report(Problem{where, id, in, err.Error()})
		if id < c.Pages && c.use[id] == useUnknown {
			c.use[id] = useData // though nothing can be read of it
		}
		return true
	}
	if !c.markUsed(where, p, in) {
		return true
	}
	if p.count == 0 && id != c.root { // bbolt has a bucket without records inline
		c.report(Problem{where, id, in, "it has no entries"})
	}
	if p.flags == flagBranch {
		return c.branch(where, p, in, yield)
	}
	return c.leaf(where, p, in, yield)
}

func (c *Checker) leaf(where string, p *page, in KeyRange, yield func(element) bool) bool {
	for _, e := range c.inOrder(where, p, in) {
		if !yield(e) {
			return false
		}
	}
	return true
}

func (c *Checker) branch(where string, p *page, in KeyRange, yield func(element) bool) bool {
	es := c.inOrder(where, p, in)
	for i, e := range es {
		below := KeyRange{e.key, in.To}
		if i+1 < len(es) {
			below.To = es[i+1].key
		}
		if !c.visit(where, e.child, below, yield) {
			return false
		}
	}
	return true
}

// inOrder are the entries of a page whose keys ascend within the range. Of two
// that do not, the one that fits neither neighbour is left out.
func (c *Checker) inOrder(where string, p *page, in KeyRange) (out []element) {
	all, err := p.elements()
	if err != nil {
		c.report(Problem{where, p.id, in, err.Error()})
	}
	last, strict := in.From, false // the first may equal what its branch says
	for i, e := range all {
		order := bytes.Compare(e.key, last)
		astray := order < 0 || order == 0 && strict || in.To != nil && bytes.Compare(e.key, in.To) >= 0
		if !astray && i+1 < len(all) && bytes.Compare(e.key, all[i+1].key) >= 0 {
			astray = bytes.Compare(all[i+1].key, last) > 0
		}
		if astray {
			c.report(Problem{where, p.id, in, fmt.Sprintf("entry %d is out of order", i)})
			continue
		}
		last, strict = e.key, true
		out = append(out, e)
	}
	return out
}
