package bboltcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"go.etcd.io/bbolt"
)

// Numbers are in the byte order of the machine, as bbolt writes them.
var native = binary.NativeEndian

const (
	metaSize    = 64
	maxPageSize = 1 << 20

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	noFreelist = ^uint64(0)
)

// State is one state of a file, as the meta page of one transaction has it.
type State struct {
	PageSize int
	Pages    uint64 // how many there are, free ones included

	root     uint64 // page of the bucket of buckets
	freelist uint64
	tx       uint64
}

var errChecksum = errors.New("its checksum does not fit")

func parseMeta(id uint64, page []byte) (State, error) {
	if len(page) < pageHeader+metaSize {
		return State{}, io.ErrUnexpectedEOF
	}
	m := page[pageHeader : pageHeader+metaSize]
	s := State{
		PageSize: int(native.Uint32(m[8:])), root: native.Uint64(m[16:]), freelist: native.Uint64(m[32:]),
		Pages: native.Uint64(m[40:]), tx: native.Uint64(m[48:]),
	}
	sum := fnv.New64a()
	_, _ = sum.Write(m[:56]) // never fails
	switch {
	case native.Uint32(m) != boltMagic, native.Uint32(m[4:]) != boltVersion:
		return State{}, errors.New("it is no bbolt file")
	case native.Uint64(m[56:]) != sum.Sum64():
		return State{}, errChecksum
	case s.PageSize < 512 || s.PageSize > maxPageSize || s.root < 2 || s.root >= s.Pages:
		return State{}, errors.New("it holds impossible numbers")
	case native.Uint64(page) != id || native.Uint16(page[8:]) != flagMeta || native.Uint16(page[10:]) != 0 || native.Uint32(page[12:]) != 0:
		return s, errors.New("its header is damaged") // bbolt does not look there
	}
	return s, nil
}

// ReadState finds the latest state that a file of size bytes holds, as bbolt
// would. Pages 0 and 1 are of the last two transactions, in turns; one that is
// damaged is reported, and so is that the file is cut short.
func ReadState(f io.ReaderAt, size int64, report func(Problem)) (State, error) {
	s, err := latest(f, report)
	if err != nil {
		return State{}, err
	}
	if whole := uint64(size) / uint64(s.PageSize); s.Pages > whole {
		report(Problem{What: fmt.Sprintf("the file is cut short: it has %d bytes of %d", size, s.Pages*uint64(s.PageSize))})
		s.Pages = whole + 1
	}
	return s, nil
}

func latest(f io.ReaderAt, report func(Problem)) (State, error) {
	check := func(id int, err error) {
		if err != nil {
			report(Problem{Where: fmt.Sprintf("meta page %d", id), What: err.Error()})
		}
	}
	first, err := readMeta(f, 0, 0)
	if first.PageSize != 0 {
		check(0, err)
		second, err := readMeta(f, 1, int64(first.PageSize))
		check(1, err)
		if second.PageSize != 0 && second.tx > first.tx {
			return second, nil
		}
		return first, nil
	}
	for size := 1024; size <= maxPageSize; size <<= 1 { // page 1 is wherever it says that it is
		if second, err2 := readMeta(f, 1, int64(size)); second.PageSize == size {
			check(0, err)
			check(1, err2)
			return second, nil
		}
	}
	return State{}, err
}

func readMeta(f io.ReaderAt, id uint64, at int64) (State, error) {
	page := make([]byte, pageHeader+metaSize)
	if _, err := f.ReadAt(page, at); err != nil {
		return State{}, errors.New("it cannot be read")
	}
	return parseMeta(id, page)
}

// StateOf returns the state that tx reads. The meta pages of the file may be of
// later ones by now; the first page that bbolt would write of a copy is not.
func StateOf(tx *bbolt.Tx) (State, error) {
	var w firstPage
	if _, err := tx.WriteTo(&w); len(w.page) == 0 {
		return State{}, err
	}
	return parseMeta(0, w.page)
}

var errEnough = errors.New("no more is wanted")

type firstPage struct{ page []byte }

func (w *firstPage) Write(b []byte) (int, error) {
	if w.page == nil {
		w.page = append(w.page, b...)
	}
	return 0, errEnough
}
