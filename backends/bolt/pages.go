package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// This file reads bbolt's pages from the file itself, with nothing taken on
// trust, where bbolt reads them through a memory map and trusts each. It so
// tells what is wrong with a file on which bbolt panics, faults, or turns in
// circles, and reads every record that can still be reached. bbolt's own
// Tx.Check can do neither, nor run beside a writer; it is what the tests hold
// this reader against.
//
// Numbers are in the byte order of the machine, as bbolt writes them.

const (
	pageHeader  = 16 // id (8), flags (2), count (2), overflow (4)
	metaSize    = 64
	elementSize = 16 // of branch and leaf alike
	bucketSize  = 16 // root page (8), sequence (8)

	flagBranch   = 1
	flagLeaf     = 2
	flagMeta     = 4
	flagFreelist = 16

	elementBucket = 1 // flags of a leaf's element that is a bucket

	maxPageSize = 1 << 20

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	noFreelist = ^uint64(0)
)

var native = binary.NativeEndian

// root is bbolt's meta page: one state of the whole file.
type root struct {
	pageSize int
	bucket   uint64 // page of the bucket of buckets
	freelist uint64
	end      uint64 // pages from here on are not in use
	tx       uint64
}

var errMeta = errors.New("its checksum does not fit")

func parseRoot(id uint64, page []byte) (root, error) {
	if len(page) < pageHeader+metaSize {
		return root{}, io.ErrUnexpectedEOF
	}
	m := page[pageHeader : pageHeader+metaSize]
	r := root{
		pageSize: int(native.Uint32(m[8:])), bucket: native.Uint64(m[16:]), freelist: native.Uint64(m[32:]),
		end: native.Uint64(m[40:]), tx: native.Uint64(m[48:]),
	}
	sum := fnv.New64a()
	_, _ = sum.Write(m[:56]) // never fails
	switch {
	case native.Uint32(m) != boltMagic, native.Uint32(m[4:]) != boltVersion:
		return root{}, errors.New("it is none of this program")
	case native.Uint64(m[56:]) != sum.Sum64():
		return root{}, errMeta
	case r.pageSize < 512 || r.pageSize > maxPageSize || r.bucket < 2 || r.bucket >= r.end:
		return root{}, errors.New("it holds impossible numbers")
	case native.Uint64(page) != id || native.Uint16(page[8:]) != flagMeta || native.Uint16(page[10:]) != 0 || native.Uint32(page[12:]) != 0:
		return r, errors.New("its header is damaged") // bbolt does not look there
	}
	return r, nil
}

// readRoot finds the latest state that the file holds, as bbolt would. Pages 0
// and 1 tell of the last two writes, in turns; damage is told of one that does
// not.
func readRoot(f io.ReaderAt, damage func(string)) (root, error) {
	told := func(id int, err error) {
		if err != nil {
			damage(fmt.Sprintf("page %d, which tells of the last write or of the one before it: %v", id, err))
		}
	}
	first, err := rootAt(f, 0, 0)
	if first.pageSize != 0 {
		told(0, err)
		second, err := rootAt(f, 1, int64(first.pageSize))
		told(1, err)
		return later(first, second), nil
	}
	for size := 1024; size <= maxPageSize; size <<= 1 { // page 1 is wherever it says that it is
		if second, err2 := rootAt(f, 1, int64(size)); second.pageSize == size {
			told(0, err)
			told(1, err2)
			return second, nil
		}
	}
	return root{}, err
}

func rootAt(f io.ReaderAt, id uint64, at int64) (root, error) {
	page := make([]byte, pageHeader+metaSize)
	if _, err := f.ReadAt(page, at); err != nil {
		return root{}, errors.New("it cannot be read")
	}
	return parseRoot(id, page)
}

func later(a, b root) root {
	if b.pageSize != 0 && b.tx > a.tx {
		return b
	}
	return a
}

// page is one page with all that overflows it.
type page struct {
	id          uint64
	flags       uint16
	count, over int
	data        []byte // with the header
}

// pageFile reads the pages of one state.
type pageFile struct {
	io.ReaderAt
	root
}

// read returns a page whose header can be believed.
func (f *pageFile) read(id uint64) (*page, error) {
	if id < 2 || id >= f.end {
		return nil, errors.New("there is no such page")
	}
	data := make([]byte, f.pageSize)
	if _, err := f.ReadAt(data, int64(id)*int64(f.pageSize)); err != nil {
		return nil, errors.New("it cannot be read: " + readError(err))
	}
	p, err := parsePage(id, data)
	if err != nil || p.over == 0 {
		return p, err
	}
	if uint64(p.over) >= f.end-id {
		return nil, errors.New("it is longer than the file")
	}
	p.data = make([]byte, (p.over+1)*f.pageSize)
	if _, err := f.ReadAt(p.data, int64(id)*int64(f.pageSize)); err != nil {
		return nil, errors.New("it cannot be read: " + readError(err))
	}
	return p, nil
}

func readError(err error) string {
	if errors.Is(err, io.EOF) {
		return "the file is cut short"
	}
	return err.Error()
}

func parsePage(id uint64, data []byte) (*page, error) {
	p := &page{
		id: id, flags: native.Uint16(data[8:]), count: int(native.Uint16(data[10:])), over: int(native.Uint32(data[12:])),
		data: data,
	}
	if native.Uint64(data) != id {
		return nil, errors.New("it says that it is another page")
	}
	return p, nil
}

// element is one entry of a branch or a leaf.
type element struct {
	key, value []byte
	bucket     bool
	child      uint64 // of a branch
}

var errLayout = errors.New("its entries do not lie as they were written")

// elements returns the entries of a branch or leaf that can be made out. They
// lie behind each other without a gap, so that none is missed where the count
// is wrong.
func (p *page) elements() (out []element, err error) {
	if p.flags != flagBranch && p.flags != flagLeaf {
		return nil, errors.New("it is neither a branch nor a leaf")
	}
	next := pageHeader + p.count*elementSize
	if next > len(p.data) {
		return nil, errLayout
	}
	for i := range p.count {
		at := pageHeader + i*elementSize
		b := p.data[at:]
		var e element
		pos, key, value := at+int(native.Uint32(b)), int(native.Uint32(b[4:])), 0
		if p.flags == flagLeaf {
			pos, key, value = at+int(native.Uint32(b[4:])), int(native.Uint32(b[8:])), int(native.Uint32(b[12:]))
			e.bucket = native.Uint32(b) == elementBucket
			if native.Uint32(b) > elementBucket {
				err = errLayout
				continue
			}
		} else {
			e.child = native.Uint64(b[8:])
		}
		if pos != next || key == 0 {
			err = errLayout
		}
		if pos < pageHeader || key == 0 || pos+key+value > len(p.data) {
			err = errLayout
			continue
		}
		e.key, e.value = p.data[pos:pos+key:pos+key], p.data[pos+key:pos+key+value:pos+key+value]
		next = pos + key + value
		out = append(out, e)
	}
	return out, err
}

// free lists the pages that are not in use.
func (f *pageFile) free() (ids []uint64, list *page, err error) {
	p, err := f.read(f.freelist)
	if err != nil {
		return nil, nil, err
	}
	if p.flags != flagFreelist {
		return nil, nil, errors.New("it is no list")
	}
	data, n := p.data[pageHeader:], uint64(p.count)
	if n == 0xFFFF {
		n, data = native.Uint64(data), data[8:]
	}
	if n > uint64(len(data)/8) {
		return nil, nil, errors.New("it is longer than its page")
	}
	for i := range n {
		id := native.Uint64(data[8*i:])
		if id < 2 || id >= f.end {
			return ids, p, fmt.Errorf("it names page %d, which is not there", id)
		}
		ids = append(ids, id)
	}
	return ids, p, nil
}
