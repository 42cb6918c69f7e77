package snapshot

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"time"

	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// held is a document of the repository.
type held struct {
	document, sum [sha256.Size]byte
	size          int64
}

func heldOf(e *Entry) (h held) {
	_, _ = hex.Decode(h.document[:], []byte(e.Document)) // the reader has looked at both
	_, _ = hex.Decode(h.sum[:], []byte(e.SHA256))
	h.size = e.Size
	return h
}

// Taking is a snapshot on its way. Its caller holds the lock.
type Taking struct {
	r        *Repository
	lock     *Lock
	history  *History
	before   map[secret.Name]held // as the last snapshot of the store has them
	index    map[[sha256.Size]byte]held
	there    map[[sha256.Size]byte]bool // documents of the folders that were looked into
	looked   map[string]bool
	batch    batch
	snapshot *Snapshot

	file   *os.File
	out    *bufio.Writer
	sum    hash.Hash
	tree   merkle.Edge
	last   secret.Name
	Sealed int // documents that were written
}

// Begin begins a snapshot; the header needs the members from Gateway to Labels. A
// history with damage is no hindrance: see Taking.Damage.
func (r *Repository) Begin(lock *Lock, h Header) (*Taking, error) {
	t := &Taking{r: r, lock: lock, before: map[secret.Name]held{}, there: map[[sha256.Size]byte]bool{}, looked: map[string]bool{}, sum: sha256.New(), batch: batch{r: r, folders: map[string]bool{}}}
	for _, dir := range []string{dirSnapshots, dirForgotten, dirDocuments, dirWork} { // a copy may lack empty ones
		if err := os.MkdirAll(r.path(dir), 0o700); err != nil {
			return nil, fileError(dir, err)
		}
	}
	var err error
	if t.history, err = r.History(); err != nil {
		return nil, err
	}
	if err := t.readLast(&h); err != nil {
		return nil, err
	}
	if t.file, err = r.work(); err != nil {
		return nil, err
	}
	t.out = bufio.NewWriterSize(io.MultiWriter(t.file, t.sum), 1<<16)
	h.Vaultferry, h.Format, h.Repository, h.Predecessor = kindSnapshot, Format, r.id, t.history.newest()
	h.Begun = h.Begun.UTC().Truncate(time.Millisecond)
	t.snapshot = &Snapshot{Header: h}
	if err := t.line(h); err != nil {
		return nil, errors.Join(err, t.Abort())
	}
	return t, nil
}

// readLast learns what the last snapshot of the same store has.
func (t *Taking) readLast(h *Header) error {
	for i := len(t.history.Kept) - 1; i >= 0; i-- {
		if s := t.history.Kept[i]; s.Gateway == h.Gateway && s.Store == h.Store {
			_, err := t.r.Load(s.ID, func(e *Entry) error {
				if e.Unread == "" {
					t.before[e.Name] = heldOf(e)
				}
				return nil
			})
			return err
		}
	}
	return nil
}

// Damage is what was wrong with the snapshots before this one.
func (t *Taking) Damage() []Damage { return t.history.Damage }

// Known is the document that the repository has of the secret: see
// gateway.SealOptions. It is safe for concurrent use with the rest.
func (t *Taking) Known(name secret.Name) string {
	h, ok := t.before[name]
	if !ok || !t.stands(h) {
		return ""
	}
	return hex.EncodeToString(h.document[:])
}

// stands: the document's file is there, and as large as it was.
func (t *Taking) stands(h held) bool {
	info, err := os.Lstat(t.r.path(documentFile(hex.EncodeToString(h.document[:]))))
	return err == nil && info.Mode().IsRegular() && info.Size() == h.size
}

// Add adds a secret, with its sealed document unless that is the known one. Names
// come in bytewise order, each once.
func (t *Taking) Add(e *Entry, blob []byte) error {
	if t.snapshot.End.Count > 0 && e.Name <= t.last {
		return errors.New("snapshot: entries come in the order of their names")
	}
	t.last = e.Name
	t.snapshot.End.Count++
	switch {
	case e.Unread != "":
		t.snapshot.End.Unread++
		return t.line(e)
	case len(e.Lacks) > 0:
		t.snapshot.End.Lacking++
	}
	h, err := t.place(e, blob)
	if err != nil {
		return err
	}
	e.SHA256, e.Size = hex.EncodeToString(h.sum[:]), h.size
	return t.line(e)
}

// place finds the document in the repository, or puts it there.
func (t *Taking) place(e *Entry, blob []byte) (held, error) {
	h := t.before[e.Name]
	if blob == nil {
		if hex.EncodeToString(h.document[:]) != e.Document {
			return h, errors.New("snapshot: the document is not the known one")
		}
		return h, nil
	}
	document, ok := documentOf(e.Document)
	if !ok {
		return h, errors.New("snapshot: no name of a document")
	}
	file := documentFile(e.Document)
	if err := t.look(folderOf(e.Document)); err != nil {
		return h, err
	}
	if t.there[document] {
		if err := t.readIndex(); err != nil {
			return h, err
		}
		if h, ok := t.index[document]; ok && t.stands(h) {
			return h, nil
		}
	}
	t.Sealed++
	return held{document, sha256.Sum256(blob), int64(len(blob))}, t.batch.add(file, blob)
}

// look finds out which documents a folder has: one look for all that come into it.
func (t *Taking) look(folder string) error {
	if t.looked[folder] {
		return nil
	}
	names, err := t.r.names(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if document, ok := documentOf(name); ok {
			t.there[document] = true
		}
	}
	t.looked[folder] = true
	return nil
}

// readIndex learns of all documents that some kept snapshot names: a secret
// became again what it was once, or has its like in another store.
func (t *Taking) readIndex() error {
	if t.index != nil {
		return nil
	}
	t.index = map[[sha256.Size]byte]held{}
	for _, s := range t.history.Kept {
		if _, err := t.r.Load(s.ID, func(e *Entry) error {
			if e.Unread == "" {
				h := heldOf(e)
				t.index[h.document] = h
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// Close publishes the snapshot, once its documents are on stable storage.
func (t *Taking) Close(leftOut []inventory.LeftOut) (*Snapshot, error) {
	if err := t.batch.settle(); err != nil {
		return nil, err
	}
	s, root := t.snapshot, t.tree.Root()
	s.End.End, s.End.Ended, s.End.LeftOut, s.End.Root = true, t.r.now().UTC().Truncate(time.Millisecond), leftOut, root.String()
	payload, err := json.Marshal(s.End.attested())
	if err != nil {
		return nil, err
	}
	if s.End.Signature, err = t.r.keys.Sign(typeSnapshot, payload); err != nil {
		return nil, err
	}
	if err = t.line(s.End); err == nil {
		err = t.out.Flush()
	}
	if err == nil {
		err = t.lock.Check()
	}
	s.ID = hex.EncodeToString(t.sum.Sum(nil))
	file := t.file
	t.file = nil
	return s, t.r.finish(file, dirSnapshots+"/"+s.ID, err)
}

// Abort removes what is not finished. After Close it does nothing.
func (t *Taking) Abort() error {
	err := t.batch.drop()
	if t.file != nil {
		err = errors.Join(err, t.file.Close(), ignoreMissing(os.Remove(t.file.Name())))
		t.file = nil
	}
	return err
}

func (t *Taking) line(v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	t.tree.Append(merkle.Leaf(b[:len(b)-1]))
	_, err = t.out.Write(b)
	return err
}
