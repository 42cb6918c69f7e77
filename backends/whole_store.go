package backends

import (
	"context"
	"io"
)

// Verifier is an optional part of a Backend: that of a store which keeps the
// gateway's own records, and can look through all of them.
type Verifier interface {
	// Verify reads all of one state of the store, while others write on.
	// Damage is in the answer; an error means that nothing can be said, as
	// where the keyring does not open the store.
	Verify(ctx context.Context) (*Findings, error)
}

// WholeStore is an optional part of a Backend: that of a store which is one file,
// and hands out all of itself.
type WholeStore interface {
	Verifier
	// Snapshot writes one consistent state of the whole store while others
	// write on. What was written before an error is no store, and must not be
	// taken for one.
	Snapshot(ctx context.Context, w io.Writer) error
}

// Findings are what a whole store was found to be. They hold names and never
// a value. JSON keys are only ever added.
type Findings struct {
	Format    int      `json:"format"`     // the version of everything in the file
	MadeAs    string   `json:"made_as"`    // the store's name when the file was made
	Key       string   `json:"key"`        // of the keyring, that wraps the store's own
	Secrets   int      `json:"secrets"`    // live
	Deleted   int      `json:"deleted"`    // in the trash
	Versions  int      `json:"versions"`   // of both
	Records   int      `json:"records"`    // of the gateway's own: see StateStore
	Bytes     int64    `json:"bytes"`      // of the file, or of the tables
	FreePages int      `json:"free_pages"` // that hold nothing now
	FreeBytes int64    `json:"free_bytes"`
	Damage    []Damage `json:"damage"`
	Unlisted  int      `json:"unlisted,omitempty"` // damages beyond maxDamage
}

// Damage is one thing that is wrong.
type Damage struct {
	Name string `json:"name,omitempty"` // of a secret; empty: the file as such
	What string `json:"what"`
}

// maxDamage bounds what one Findings lists.
const maxDamage = 10000

// Add lists one more damage.
func (f *Findings) Add(name, what string) {
	if len(f.Damage) == maxDamage {
		f.Unlisted++
		return
	}
	f.Damage = append(f.Damage, Damage{Name: name, What: what})
}

// Sound reports whether nothing is wrong.
func (f *Findings) Sound() bool { return len(f.Damage) == 0 }
