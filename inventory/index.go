package inventory

import (
	"cmp"
	"errors"
	"hash/maphash"
	"io"

	"github.com/vaultferry/vaultferry/internal/jsonl"
	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/secret"
)

// Index finds single entries of an inventory that was read to its end and found
// good. It holds some sixty bytes of each, and no name. It is safe for concurrent
// use.
type Index struct {
	Header Header
	End    End

	file io.ReaderAt
	hash func(secret.Name) uint64 // of the name that an entry is of
	at   map[uint64]place
	// also are entries whose names have the hash of another one's.
	also map[secret.Name]place
}

// place is where a line stands, and what it was.
type place struct {
	from int64
	size int32
	leaf proof
}

// proof is half of a leaf's hash: who cannot choose the line that it is of makes no
// other one to it.
type proof [16]byte

func proofOf(line []byte) (p proof) {
	leaf := merkle.Leaf(line)
	copy(p[:], leaf[:])
	return p
}

// Index reads the rest of the inventory, of which no entry has been read. Entries
// are found in file, which r reads.
func (r *Reader) Index(file io.ReaderAt) (*Index, error) {
	seed := maphash.MakeSeed()
	return r.index(file, func(n secret.Name) uint64 { return maphash.String(seed, string(n)) })
}

func (r *Reader) index(file io.ReaderAt, hash func(secret.Name) uint64) (*Index, error) {
	x := &Index{Header: r.Header, file: file, hash: hash, at: map[uint64]place{}, also: map[secret.Name]place{}}
	for {
		e, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			x.End = *r.End
			return x, nil
		case err != nil:
			return nil, err
		case e.Deleted != nil:
			continue
		}
		twice, err := x.add(e.of(), r.at)
		if err != nil {
			return nil, err
		}
		if twice {
			return nil, r.corrupt("is of the same secret as one before it")
		}
	}
}

// add reports whether the name is there already.
func (x *Index) add(of secret.Name, p place) (twice bool, err error) {
	h := x.hash(of)
	first, taken := x.at[h]
	if !taken {
		x.at[h] = p
		return false, nil
	}
	e, err := x.read(first)
	if err != nil {
		return false, err
	}
	_, twice = x.also[of]
	x.also[of] = p
	return twice || e.of() == of, nil
}

// of is the name that the digests of e are over.
func (e *Entry) of() secret.Name { return cmp.Or(e.Of, e.Name) }

// Find returns the entry whose digests are over the name; nil: there is none, or it
// is in the trash. Kind: Corrupt, where the file was changed since.
func (x *Index) Find(of secret.Name) (*Entry, error) {
	p, ok := x.also[of]
	if !ok {
		p, ok = x.at[x.hash(of)]
	}
	if !ok {
		return nil, nil
	}
	e, err := x.read(p)
	if err != nil || e.of() != of {
		return nil, err
	}
	return e, nil
}

func (x *Index) read(p place) (*Entry, error) {
	line := make([]byte, p.size)
	if _, err := x.file.ReadAt(line, p.from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	e := new(Entry)
	if proofOf(line) != p.leaf || jsonl.Decode(line, e) != nil {
		return nil, secret.Errorf(secret.Corrupt, "the inventory was changed while it was read")
	}
	return e, nil
}
