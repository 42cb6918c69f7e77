package backends

import (
	"context"
	"encoding/json"

	"github.com/vaultferry/vaultferry/secret"
)

// Notebook is the part of Backend that keeps the gateway's own records about
// a store: in the product, so that every gateway over it shares them. A note
// is JSON and holds no secret value. No name of a secret reaches one, and no
// other method of Backend shows one.
type Notebook interface {
	// ReadNote returns the note and what tells this state of it from others.
	// Kinds: NotFound; Invalid for a bad key.
	ReadNote(ctx context.Context, key string) (note []byte, revision string, err error)

	// WriteNote replaces the note that has the revision; an empty one makes a
	// note where none is. A product that cannot compare and write at once
	// reads first, and of two processes that write in that moment the later
	// wins: AtomicCreate is false there. Within one process nothing is lost.
	//
	// Kinds: Conflict (the note is another, gone, or there already), TooLarge,
	// Invalid (CheckNote), Unknown.
	WriteNote(ctx context.Context, key string, note []byte, revision string) error
}

// MaxNote bounds a note in bytes: what the smallest product holds in one value.
const MaxNote = 20 << 10

// CheckNote refuses what no store takes as a note.
func CheckNote(key string, note []byte) error {
	switch err := CheckNoteKey(key); {
	case err != nil:
		return err
	case len(note) > MaxNote:
		return secret.Errorf(secret.TooLarge, "a note is longer than %d bytes", MaxNote)
	case !json.Valid(note) || !isText(string(note)):
		return secret.Errorf(secret.Invalid, "a note is not valid JSON")
	}
	return nil
}

const maxNoteKey = 40

// CheckNoteKey refuses (Invalid) a key that is not 1 to 40 of a-z, 0-9 and
// hyphen.
func CheckNoteKey(key string) error {
	ok := key != "" && len(key) <= maxNoteKey
	for _, c := range key {
		ok = ok && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-')
	}
	if !ok {
		return secret.Errorf(secret.Invalid, "the key of a note is 1 to %d letters, digits and hyphens of lower case", maxNoteKey)
	}
	return nil
}
