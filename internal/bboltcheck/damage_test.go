package bboltcheck_test

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

const (
	pageSize   = 4096
	header     = 16
	entrySize  = 16
	branchPage = 1
	leafPage   = 2
)

var native = binary.NativeEndian

// layout says where things are in a file that makeFile made.
type layout struct {
	meta       int    // page of the latest state
	deep       uint64 // the bucket's first page, a branch
	leaf       uint64 // the bucket's only page
	overflow   uint64
	freelist   uint64
	free       uint64 // the first that is
	firstChild uint64 // of deep
	secondKey  []byte // of deep
}

func layoutOf(t *testing.T, file []byte) (l layout) {
	t.Helper()
	if txOf(file, 1) > txOf(file, 0) {
		l.meta = 1
	}
	l.freelist = native.Uint64(file[l.meta*pageSize+header+32:])
	l.free = native.Uint64(file[int(l.freelist)*pageSize+header:])
	err := openFile(t, file).View(func(tx *bbolt.Tx) error {
		root := func(name string) uint64 { return uint64(tx.Bucket([]byte(name)).Root()) }
		l.deep, l.leaf, l.overflow = root("deep"), root("leaf"), root("overflow")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	at := int(l.deep)*pageSize + header
	l.firstChild = native.Uint64(file[at+8:])
	second := file[at+entrySize:]
	l.secondKey = second[native.Uint32(second):][:native.Uint32(second[4:])]
	if kind(file, l.deep) != branchPage || kind(file, l.leaf) != leafPage {
		t.Fatal("the pages are others: this test looks in the wrong place")
	}
	return l
}

func txOf(file []byte, meta int) uint64 { return native.Uint64(file[meta*pageSize+header+48:]) }

func kind(file []byte, page uint64) uint16 { return native.Uint16(file[int(page)*pageSize+8:]) }

// TestDamage: each damage is told, and where it is.
func TestDamage(t *testing.T) {
	t.Parallel()
	sound := makeFile(t)
	l := layoutOf(t, sound)
	at := func(page uint64, offset int) int { return int(page)*pageSize + offset }
	set64 := func(at int, v uint64) func([]byte) { return func(f []byte) { native.PutUint64(f[at:], v) } }
	set16 := func(at int, v uint16) func([]byte) { return func(f []byte) { native.PutUint16(f[at:], v) } }
	set32 := func(at int, v uint32) func([]byte) { return func(f []byte) { native.PutUint32(f[at:], v) } }
	meta := func(change func(m []byte)) func([]byte) {
		return func(f []byte) {
			m := f[l.meta*pageSize+header:]
			change(m)
			sum := fnv.New64a()
			_, _ = sum.Write(m[:56])
			native.PutUint64(m[56:], sum.Sum64())
		}
	}
	for what, c := range map[string]struct {
		bend  func(file []byte)
		want  []string // words of one problem
		other bool     // records are read
	}{
		"page of another number":   {set64(at(l.leaf, 0), 7777), []string{"leaf/", "another page"}, true},
		"page of no kind":          {set16(at(l.leaf, 8), 64), []string{"leaf/", "neither a branch nor a leaf"}, true},
		"page that was lost":       {func(f []byte) { clear(f[at(l.firstChild, 0):at(l.firstChild, pageSize)]) }, []string{"deep/", "[deep-000000, " + string(l.secondKey) + ")", "another page"}, true},
		"page too long":            {set32(at(l.overflow, 12), 1<<30), []string{"overflow/", "longer than the file"}, true},
		"child that is not there":  {set64(at(l.deep, header+8), 1<<40), []string{"deep/", "no such page"}, true},
		"child that is its parent": {set64(at(l.deep, header+8), l.deep), []string{"deep/", "in use twice"}, true},
		"child of two":             {set64(at(l.deep, header+8), l.leaf), []string{"in use twice"}, true},
		"child that is free":       {set64(at(l.deep, header+8), l.free), []string{"deep/", "in use and free as well"}, true},
		"branch without children":  {set16(at(l.deep, 10), 0), []string{"deep/", "it has no entries"}, true},
		"leaf without entries":     {set16(at(l.leaf, 10), 0), []string{"leaf/", "it has no entries"}, true},
		"fewer entries inline":     {func(f []byte) { clear(l.inlinePage(f)[10:12]) }, []string{"inline/0", "do not lie as they were written"}, true},
		"fewer entries":            {set16(at(l.leaf, 10), 59), []string{"leaf/", "do not lie as they were written"}, true},
		"more entries":             {set16(at(l.leaf, 10), 60000), []string{"leaf/", "do not lie as they were written"}, true},
		"entry elsewhere":          {set32(at(l.leaf, header+4), 1<<20), []string{"leaf/", "do not lie as they were written"}, true},
		"entry of no kind":         {set32(at(l.leaf, header), 9), []string{"leaf/", "do not lie as they were written"}, true},
		"record that is a bucket":  {set32(at(l.leaf, header), 1), []string{"leaf/", "a bucket where a record belongs"}, true},
		"key out of order":         {func(f []byte) { *keyOf(f, at(l.leaf, header+entrySize), 4) = 'a' }, []string{"leaf/", "out of order"}, true},
		"key of another page":      {func(f []byte) { *keyOf(f, at(l.deep, header+entrySize), 0) = 'a' }, []string{"deep/", "out of order"}, true},
		"free twice":               {set64(at(l.freelist, header+8), l.free), []string{"free twice"}, false},
		"free and in use":          {set64(at(l.freelist, header), l.leaf), []string{"leaf/", "in use and free as well"}, false},
		"free and not there":       {set64(at(l.freelist, header), 1<<40), []string{"the list of free pages/", "which is not there"}, false},
		"free list too long":       {set16(at(l.freelist, 10), 60000), []string{"the list of free pages/", "longer than its page"}, false},
		"free list of no kind":     {set16(at(l.freelist, 8), leafPage), []string{"the list of free pages/", "it is no list"}, false},
		"no free list":             {meta(func(m []byte) { native.PutUint64(m[32:], ^uint64(0)) }), []string{"it has no list of free pages"}, false},
		"root that is not there":   {meta(func(m []byte) { native.PutUint64(m[16:], 1<<40) }), []string{"meta page", "impossible numbers"}, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			file := bytes.Clone(sound)
			c.bend(file)
			got := mustCheck(t, file)
			if !got.has(c.want...) {
				t.Errorf("want %q; problems %q", c.want, got.problems)
			}
			if want := mustCheck(t, sound); (got.records != want.records) != c.other {
				t.Errorf("other records are read: %v", !c.other)
			}
		})
	}
}

// inlinePage is the page of the bucket "inline", in the list of buckets.
func (l *layout) inlinePage(file []byte) []byte {
	list := file[native.Uint64(file[l.meta*pageSize+header+16:])*pageSize:]
	_, after, _ := bytes.Cut(list, append([]byte("inline"), make([]byte, 8)...))
	return after[8:]
}

// keyOf is the first byte of the key of the entry at, of a leaf (4) or branch (0).
func keyOf(file []byte, at, position int) *byte {
	return &file[at+int(native.Uint32(file[at+position:]))]
}

// TestTornMeta: where one meta page is torn, the state of the other is read.
func TestTornMeta(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	want := mustCheck(t, file)
	latest := layoutOf(t, file).meta
	for meta := range 2 {
		torn := bytes.Clone(file)
		torn[meta*pageSize+header+56] ^= 0xff
		got := mustCheck(t, torn)
		if !got.has("meta page", "checksum") {
			t.Errorf("meta page %d: problems %q", meta, got.problems)
		}
		if meta != latest && got.records != want.records {
			t.Errorf("meta page %d: the records are others", meta)
		}
	}
}

// TestUnreachable: pages to which nothing leads are listed.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	l := layoutOf(t, file)
	at := int(l.freelist)*pageSize + 10
	native.PutUint16(file[at:], native.Uint16(file[at:])-1)
	got := mustCheck(t, file)
	if len(got.unreachable) != 1 || len(got.problems) > 0 {
		t.Errorf("unreachable %v, problems %q", got.unreachable, got.problems)
	}
	clear(file[int(l.deep)*pageSize : int(l.deep+1)*pageSize])
	if got = mustCheck(t, file); !slices.Contains(got.unreachable, l.firstChild) {
		t.Errorf("unreachable %v", got.unreachable)
	}
}

// TestFlippedBits turns bits where bbolt's own numbers lie. Either that is found,
// or it means nothing: all records are as they were.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	want := mustCheck(t, file)
	found, rounds := 0, 400
	if testing.Short() {
		rounds = 100
	}
	for range rounds {
		at, bit := rand.IntN(len(file)/pageSize)*pageSize+rand.IntN(8*header), rand.IntN(8)
		number := isNumber(file, at)
		file[at] ^= 1 << bit
		got, err := check(t, file)
		switch {
		case err != nil, len(got.problems) > 0, len(got.unreachable) > 0:
			found++
		case got.records != want.records && number:
			t.Errorf("bit %d of byte %d of page %d: a record is another, and nothing is said", bit, at%pageSize, at/pageSize)
		}
		file[at] ^= 1 << bit
	}
	t.Logf("%d of %d were found", found, rounds)
	if found < rounds/20 {
		t.Error("hardly any was found: this test looks in the wrong place")
	}
}

// isNumber reports whether the byte is one of bbolt's own that means something to a
// check of pages: not of a key, a value, or a page that overflows, nor of how long the
// last entry of a page is, for nothing else says where that ends.
func isNumber(file []byte, at int) bool {
	page := file[at-at%pageSize:]
	if native.Uint64(page) != uint64(at/pageSize) {
		return false
	}
	entries, of := int(native.Uint16(page[10:])), at%pageSize-header
	switch i := of / entrySize; {
	case of < 0 || i < entries-1:
		return true
	case i >= entries:
		return false
	case kind(file, uint64(at/pageSize)) == leafPage:
		return of%entrySize < 8
	default:
		return of%entrySize < 4 || of%entrySize >= 8
	}
}

// TestFlippedNumbers turns each bit of the numbers of two pages, of a branch and of the
// leaf with the fewest entries.
func TestFlippedNumbers(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	l := layoutOf(t, file)
	want := mustCheck(t, file)
	for _, page := range []uint64{l.deep, l.overflow} {
		for of := range 8 * header {
			at := int(page)*pageSize + of
			if !isNumber(file, at) {
				continue
			}
			for bit := range 8 {
				file[at] ^= 1 << bit
				if got, err := check(t, file); err == nil && len(got.problems)+len(got.unreachable) == 0 && got.records != want.records {
					t.Errorf("bit %d of byte %d of page %d: a record is another, and nothing is said", bit, of, page)
				}
				file[at] ^= 1 << bit
			}
		}
	}
}

// TestProblemsEnd: a file of which every page is damaged has an end.
func TestProblemsEnd(t *testing.T) {
	t.Parallel()
	file := makeFile(t)
	for id := 2; id < len(file)/pageSize; id++ {
		native.PutUint16(file[id*pageSize+8:], branchPage)
	}
	if got := mustCheck(t, file); len(got.problems) == 0 || strings.Contains(got.records, "deep") {
		t.Errorf("problems %q", got.problems)
	}
}
