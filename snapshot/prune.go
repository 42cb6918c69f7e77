package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"time"
)

// Pruned is what a prune removed, or would.
type Pruned struct {
	Documents int   `json:"documents"`
	Bytes     int64 `json:"bytes"`
	Work      int   `json:"work"`      // files that were never finished
	Snapshots int   `json:"snapshots"` // files of forgotten ones
	Young     int   `json:"young"`     // documents that no snapshot names, and that are too young
}

// pruneAge is how old a file is before it is removed.
const pruneAge = 24 * time.Hour

// PruneOptions shape a prune.
type PruneOptions struct {
	DryRun bool
	// Expect are snapshots that must be there, or forgotten.
	Expect []string
}

// Prune removes documents that no snapshot names, and what was never finished, once
// they are 24 hours old. It removes nothing while a snapshot is missing or cannot
// be read. Kind: Corrupt.
func (r *Repository) Prune(ctx context.Context, lock *Lock, o PruneOptions) (*Pruned, error) {
	h, err := r.History()
	if err != nil {
		return nil, err
	}
	h.Expect(o.Expect)
	if err := errors.Join(h.Sound(), r.begun(h)); err != nil {
		return nil, err
	}
	p := &pruner{r: r, lock: lock, dryRun: o.DryRun, named: map[[sha256.Size]byte]bool{}}
	for _, s := range h.Kept {
		if _, err := r.Load(s.ID, func(e *Entry) error {
			if e.Unread == "" {
				p.named[heldOf(e).document] = true
			}
			return ctx.Err()
		}); err != nil {
			return nil, err
		}
	}
	for _, id := range h.Returned {
		if err := p.remove(dirSnapshots+"/"+id, &p.out.Snapshots); err != nil {
			return nil, err
		}
	}
	if err := p.documents(ctx); err != nil {
		return nil, err
	}
	return &p.out, p.work()
}

// begun fails where there are documents and no snapshot has ever been: a copy of the
// folder has not come so far, or the snapshots were removed.
func (r *Repository) begun(h *History) error {
	if len(h.Kept)+len(h.Forgotten) > 0 {
		return nil
	}
	switch folders, err := r.names(dirDocuments); {
	case err != nil:
		return err
	case len(folders) > 0:
		return corrupt(dirSnapshots, "there is no snapshot, and there are documents: copy the snapshots here, too, or take one")
	}
	return nil
}

// pruner is a prune on its way.
type pruner struct {
	r      *Repository
	lock   *Lock
	dryRun bool
	named  map[[sha256.Size]byte]bool
	out    Pruned
}

func (p *pruner) documents(ctx context.Context) error {
	folders, err := p.r.names(dirDocuments)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		names, err := p.r.names(dirDocuments + "/" + folder)
		if err != nil {
			continue // what is no folder is none of ours
		}
		if err := p.lock.Check(); err != nil {
			return err
		}
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := p.document(folder, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pruner) document(folder, name string) error {
	document, ok := documentOf(name)
	if !ok || p.named[document] {
		return nil // what has another name is none of ours
	}
	file := dirDocuments + "/" + folder + "/" + name
	size, old, err := p.old(file)
	switch {
	case err != nil:
		return err
	case !old:
		p.out.Young++
		return nil
	}
	p.out.Bytes += size
	return p.remove(file, &p.out.Documents)
}

// work removes what is left of those who were killed: nobody else has the lock.
func (p *pruner) work() error {
	names, err := p.r.names(dirWork)
	if err != nil {
		return err
	}
	for _, name := range names {
		file := dirWork + "/" + name
		_, old, err := p.old(file)
		if err == nil && old {
			err = p.remove(file, &p.out.Work)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *pruner) old(file string) (size int64, old bool, err error) {
	info, err := os.Lstat(p.r.path(file))
	if err != nil {
		return 0, false, fileError(file, err)
	}
	return info.Size(), info.Mode().IsRegular() && p.r.now().Sub(info.ModTime()) > pruneAge, nil
}

func (p *pruner) remove(file string, count *int) error {
	*count++
	if p.dryRun {
		return nil
	}
	if err := os.Remove(p.r.path(file)); err != nil {
		return fileError(file, err)
	}
	return nil
}
