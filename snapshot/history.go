package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/secret"
)

// Forgotten is a snapshot that is not kept any more.
type Forgotten struct {
	Vaultferry  string    `json:"vaultferry"` // "forgotten"
	Format      int       `json:"format"`
	Repository  string    `json:"repository"`
	Snapshot    string    `json:"snapshot"`
	Predecessor string    `json:"predecessor,omitempty"`
	Begun       time.Time `json:"begun,omitzero"`
	Store       string    `json:"store,omitempty"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
	Signature   string    `json:"signature,omitempty"`
}

func (f *Forgotten) signature() *string { return &f.Signature }

// History is what a repository knows of its snapshots.
type History struct {
	Kept      []*Snapshot // the oldest first
	Forgotten map[string]*Forgotten
	// Damage is what cannot be read, or is missing.
	Damage []Damage
	// Returned are forgotten snapshots whose files are there.
	Returned []string
}

// Damage is something that is wrong with a file of the repository.
type Damage struct {
	File string `json:"file"`
	What string `json:"what"`
}

func damageOf(file string, err error) Damage {
	return Damage{file, strings.TrimPrefix(secret.Explain(err), file+": ")}
}

// History reads all snapshots, and whether one is missing.
func (r *Repository) History() (*History, error) {
	h := &History{Forgotten: map[string]*Forgotten{}}
	if err := r.readForgotten(h); err != nil {
		return nil, err
	}
	ids, err := r.names(dirSnapshots)
	if err != nil {
		return nil, err
	}
	loaded, errs := make([]*Snapshot, len(ids)), make([]error, len(ids))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, id := range ids {
		group.Go(func() error {
			loaded[i], errs[i] = r.Load(id, nil)
			return nil
		})
	}
	_ = group.Wait() // each has an error of its own
	for i, id := range ids {
		s, err := loaded[i], errs[i]
		switch {
		case !digest.MatchString(id):
			h.Damage = append(h.Damage, damageOf(dirSnapshots+"/"+id, errStray))
		case err != nil && h.Forgotten[id] != nil:
			h.Returned = append(h.Returned, id)
		case err != nil:
			h.Damage = append(h.Damage, damageOf(dirSnapshots+"/"+id, err))
		case h.Forgotten[id] != nil:
			h.Returned = append(h.Returned, id)
		default:
			h.Kept = append(h.Kept, s)
		}
	}
	slices.SortFunc(h.Kept, func(a, b *Snapshot) int {
		return cmp.Or(a.Begun.Compare(b.Begun), strings.Compare(a.ID, b.ID))
	})
	h.findMissing(ids)
	return h, nil
}

func (r *Repository) readForgotten(h *History) error {
	ids, err := r.names(dirForgotten)
	if err != nil {
		return err
	}
	for _, id := range ids {
		name := dirForgotten + "/" + id
		f := new(Forgotten)
		line, err := r.read(name)
		if err == nil {
			err = readSigned(r.keys, typeForgotten, line, f, func() time.Time { return f.At })
		}
		if err == nil && (f.Vaultferry != kindForgotten || f.Format != Format || f.Repository != r.id || f.Snapshot != id) {
			err = errors.New("it is of another snapshot")
		}
		if err != nil {
			h.Damage = append(h.Damage, damageOf(name, err))
			continue
		}
		h.Forgotten[id] = f
	}
	return nil
}

// findMissing follows the predecessors.
func (h *History) findMissing(ids []string) {
	named := map[string]string{}
	for _, s := range h.Kept {
		named[s.Predecessor] = s.ID
	}
	for id, f := range h.Forgotten {
		named[f.Predecessor] = id
	}
	for before, id := range named {
		if before == "" || h.Forgotten[before] != nil || slices.Contains(ids, before) {
			continue
		}
		h.Damage = append(h.Damage, Damage{dirSnapshots + "/" + before, fmt.Sprintf("it is missing: %s came after it", id)})
	}
	slices.SortFunc(h.Damage, func(a, b Damage) int { return strings.Compare(a.File, b.File) })
}

// Expect takes snapshots that are neither kept nor forgotten for missing: their ids, or
// how these begin.
func (h *History) Expect(ids []string) {
	for _, id := range ids {
		is := func(other string) bool { return id != "" && strings.HasPrefix(other, id) }
		file := dirSnapshots + "/" + id
		switch {
		case slices.ContainsFunc(h.Kept, func(s *Snapshot) bool { return is(s.ID) }),
			slices.ContainsFunc(slices.Collect(maps.Keys(h.Forgotten)), is),
			slices.ContainsFunc(h.Damage, func(d Damage) bool { return d.File == file }): // it is told already
		default:
			h.Damage = append(h.Damage, Damage{file, "it is expected, and is not there"})
		}
	}
}

// Sound fails unless all snapshots are there and can be read. Kind: Corrupt.
func (h *History) Sound() error {
	if len(h.Damage) == 0 {
		return nil
	}
	d := h.Damage[0]
	return corrupt(d.File, "%s", d.What)
}

// newest is the snapshot, kept or forgotten, of which no other is the successor;
// of several the one that begun last. Empty: there is none.
func (h *History) newest() string {
	has := map[string]bool{}
	for _, s := range h.Kept {
		has[s.Predecessor] = true
	}
	for _, f := range h.Forgotten {
		has[f.Predecessor] = true
	}
	id, at := "", time.Time{}
	look := func(candidate string, begun time.Time) {
		if !has[candidate] && (id == "" || begun.After(at) || begun.Equal(at) && candidate > id) {
			id, at = candidate, begun
		}
	}
	for _, s := range h.Kept {
		look(s.ID, s.Begun)
	}
	for _, f := range h.Forgotten {
		look(f.Snapshot, f.Begun)
	}
	return id
}

// Find returns the kept snapshot whose ID begins with the word. Kinds: NotFound;
// Invalid, where several do.
func (h *History) Find(word string) (*Snapshot, error) {
	var found *Snapshot
	for _, s := range h.Kept {
		if word == "" || !strings.HasPrefix(s.ID, word) {
			continue
		}
		if found != nil {
			return nil, secret.Errorf(secret.Invalid, "several snapshots begin with %s", word)
		}
		found = s
	}
	if found == nil {
		for id := range h.Forgotten {
			if strings.HasPrefix(id, word) {
				return nil, secret.Errorf(secret.NotFound, "snapshot %s was forgotten", word)
			}
		}
		return nil, secret.Errorf(secret.NotFound, "there is no snapshot %q; vaultferry snapshot list shows them", word)
	}
	return found, nil
}
