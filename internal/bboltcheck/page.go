package bboltcheck

import (
	"errors"
	"fmt"
	"io"
)

const (
	pageHeader  = 16 // id (8), flags (2), count (2), overflow (4)
	elementSize = 16 // of branch and leaf alike
	bucketSize  = 16 // root page (8), sequence (8)

	flagBranch   = 1
	flagLeaf     = 2
	flagMeta     = 4
	flagFreelist = 16

	elementBucket = 1 // flags of a leaf's element that is a bucket
)

// page is one page with all that overflows it.
type page struct {
	id              uint64
	flags           uint16
	count, overflow int
	data            []byte // with the header
}

// pageReader reads the pages of one state.
type pageReader struct {
	file io.ReaderAt
	State
}

// read returns a page whose header can be believed.
func (r *pageReader) read(id uint64) (*page, error) {
	if id < 2 || id >= r.Pages {
		return nil, errors.New("there is no such page")
	}
	data := make([]byte, r.PageSize)
	if err := r.readAt(data, id); err != nil {
		return nil, err
	}
	p, err := parsePage(id, data)
	if err != nil || p.overflow == 0 {
		return p, err
	}
	if uint64(p.overflow) >= r.Pages-id {
		return nil, errors.New("it is longer than the file")
	}
	p.data = make([]byte, (p.overflow+1)*r.PageSize)
	return p, r.readAt(p.data, id)
}

func (r *pageReader) readAt(data []byte, id uint64) error {
	switch _, err := r.file.ReadAt(data, int64(id)*int64(r.PageSize)); {
	case errors.Is(err, io.EOF):
		return errors.New("it cannot be read: the file is cut short")
	case err != nil:
		return fmt.Errorf("it cannot be read: %w", err)
	}
	return nil
}

func parsePage(id uint64, data []byte) (*page, error) {
	p := &page{
		id: id, flags: native.Uint16(data[8:]), count: int(native.Uint16(data[10:])), overflow: int(native.Uint32(data[12:])),
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
	if inline := p.id == 0; inline && next != len(p.data) {
		err = errLayout
	}
	return out, err
}

// readFreelist lists the pages that are not in use, and the page that says so.
func (r *pageReader) readFreelist() (ids []uint64, list *page, err error) {
	p, err := r.read(r.freelist)
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
		if id < 2 || id >= r.Pages {
			return ids, p, fmt.Errorf("it names page %d, which is not there", id)
		}
		ids = append(ids, id)
	}
	return ids, p, nil
}
