package backends

import "context"

// StateStore is an optional part of a Backend: that of a product which keeps
// the gateway's own records about a store, so that every gateway over it shares
// them. A record is JSON and holds no secret value. No name of a secret reaches
// one, and no other method of Backend shows one.
type StateStore interface {
	// ReadState returns the record and what tells this state of it from others.
	// Kinds: NotFound; Invalid for a bad key.
	ReadState(ctx context.Context, key string) (record []byte, revision string, err error)

	// WriteState replaces the record that has the revision; an empty one makes
	// a record where none is. A product that cannot compare and write at once
	// reads first, and of two processes that write in that moment the later
	// wins: AtomicCreate is false there. Within one process nothing is lost.
	//
	// Kinds: Conflict (the record is another, gone, or there already), TooLarge,
	// Invalid (a key that is not 1 to 40 of a-z, 0-9 and hyphen, a record that
	// is not JSON), Unknown.
	WriteState(ctx context.Context, key string, record []byte, revision string) error
}

// MaxState bounds a record in bytes: what the smallest product holds in one
// value.
const MaxState = 20 << 10
