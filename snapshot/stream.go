package snapshot

import (
	"context"
	"io"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Streamed shapes a snapshot as a stream for a comparison.
type Streamed struct {
	Key    *backup.RepositoryKey
	RunKey inventory.Key // keys the digests
	Takes  func(name secret.Name) bool
	// Same are secrets that both sides have the same document of: they are not
	// opened, and their entries say nothing.
	Same map[secret.Name]bool
}

// Stream reads a snapshot as an inventory of the store at that moment, until ctx
// ends. The function waits until nothing is read any more; ctx must have ended then.
func (r *Repository) Stream(ctx context.Context, s *Snapshot, o Streamed) (inventory.Stream, func()) {
	out := &streaming{entries: make(chan *inventory.Entry), done: make(chan struct{})}
	go func() {
		defer close(out.done)
		_, out.err = r.Load(s.ID, func(e *Entry) error {
			if !o.Takes(e.Name) {
				return nil
			}
			entry, err := r.entry(e, &o)
			if err != nil {
				return err
			}
			select {
			case out.entries <- entry:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return out, func() { <-out.done }
}

func (r *Repository) entry(e *Entry, o *Streamed) (*inventory.Entry, error) {
	switch {
	case e.Unread != "":
		return &inventory.Entry{Name: e.Name, Unread: e.Unread}, nil
	case o.Same[e.Name]:
		return &inventory.Entry{Name: e.Name}, nil
	}
	_, doc, err := r.Document(o.Key, e)
	if err != nil {
		return nil, err
	}
	entry := o.RunKey.EntryOf(doc.Secret, "", e.Read)
	return &entry, nil
}

// Same finds the secrets that two snapshots have the same document of.
func (r *Repository) Same(a, b *Snapshot) (map[secret.Name]bool, error) {
	in := map[secret.Name]string{}
	if _, err := r.Load(a.ID, func(e *Entry) error {
		in[e.Name] = e.Document
		return nil
	}); err != nil {
		return nil, err
	}
	same := map[secret.Name]bool{}
	_, err := r.Load(b.ID, func(e *Entry) error {
		if e.Unread == "" && in[e.Name] == e.Document {
			same[e.Name] = true
		}
		return nil
	})
	return same, err
}

type streaming struct {
	entries chan *inventory.Entry
	done    chan struct{}
	err     error // once done
}

// Next is that of inventory.Stream.
func (s *streaming) Next() (*inventory.Entry, error) {
	select {
	case e := <-s.entries:
		return e, nil
	case <-s.done:
		if s.err != nil {
			return nil, s.err
		}
		return nil, io.EOF
	}
}
