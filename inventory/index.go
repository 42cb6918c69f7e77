package inventory

import (
	"cmp"
	"errors"
	"io"

	"github.com/vaultferry/vaultferry/internal/jsonl"
	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/secret"
)

// Index finds single entries of an inventory that was read to its end and found
// good. It holds names and places alone. It is safe for concurrent use.
type Index struct {
	Header Header
	End    End
	file   io.ReaderAt
	at     map[secret.Name]place
}

// place is where a line stands, and what it was.
type place struct {
	from int64
	size int32
	leaf merkle.Hash
}

// Index reads the rest of the inventory, of which no entry has been read. Entries
// are found in file, which r reads.
func (r *Reader) Index(file io.ReaderAt) (*Index, error) {
	x := &Index{Header: r.Header, file: file, at: map[secret.Name]place{}}
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
		of := e.of()
		if _, twice := x.at[of]; twice {
			return nil, r.corrupt("is of the same secret as one before it")
		}
		x.at[of] = r.at
	}
}

// of is the name that the digests of e are over.
func (e *Entry) of() secret.Name { return cmp.Or(e.Of, e.Name) }

// Find returns the entry whose digests are over the name; nil: there is none, or it
// is in the trash. Kind: Corrupt, where the file was changed since.
func (x *Index) Find(of secret.Name) (*Entry, error) {
	p, ok := x.at[of]
	if !ok {
		return nil, nil
	}
	line := make([]byte, p.size)
	if _, err := x.file.ReadAt(line, p.from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	e := new(Entry)
	if merkle.Leaf(line) != p.leaf || jsonl.Decode(line, e) != nil {
		return nil, secret.Errorf(secret.Corrupt, "the inventory was changed while it was read")
	}
	return e, nil
}
