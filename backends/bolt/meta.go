package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/sealed"
)

// format is the version of everything in the file. A file of another one is
// refused: it would be misread, as one whose names are free that are not.
const format = 1

// product is what keys are derived for.
const product = "bolt"

// meta is the one record in clear. Store is the store's name when the file was
// made: a store that is renamed later keeps it as what its records are bound to.
type meta struct {
	Format int    `json:"format"`
	Store  string `json:"store"`
	Key    []byte `json:"key"` // the data key, wrapped
}

var keyMeta = []byte("meta")

// newMeta makes a data key for the store called name.
func newMeta(name string, keys backends.KeyWrapper) (*meta, *sealed.Sealer, error) {
	wrapped, sealer, err := sealed.NewKey(keys, product, name)
	if err != nil {
		return nil, nil, err
	}
	return &meta{Format: format, Store: name, Key: wrapped}, sealer, nil
}

func (m *meta) write(tx *bbolt.Tx) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(keyMeta, b)
}

// isWrittenAs reports whether this is what was written, byte for byte: JSON reads members
// also in other letters.
func (m *meta) isWrittenAs(b []byte) bool {
	was, err := json.Marshal(m)
	return err == nil && bytes.Equal(was, b)
}

func readMeta(tx *bbolt.Tx) (*meta, error) {
	b := tx.Bucket(bucketMeta)
	if b == nil {
		return nil, errNoMeta
	}
	m, err := parseMeta(b.Get(keyMeta))
	if err != nil {
		return nil, err
	}
	for _, name := range buckets() {
		if tx.Bucket(name) == nil {
			return nil, fmt.Errorf("there is no bucket %q", name)
		}
	}
	return m, nil
}

var errNoMeta = errors.New("there is no meta record")

func parseMeta(b []byte) (*meta, error) {
	m := new(meta)
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("meta record: %w", err)
	}
	if m.Format != format {
		return nil, &formatError{m.Format}
	}
	return m, nil
}

// formatError is of a file that another release wrote, in a format of its own.
type formatError struct{ format int }

func (e *formatError) Error() string {
	return fmt.Sprintf(`the file has format %d, and this release reads format %d alone; start the release that wrote it, `+
		`or move its secrets: "vaultferry backup" with that release, then "vaultferry restore" into a new store`, e.format, format)
}

// otherKeyError: the keyring is not the one that the file was made with.
type otherKeyError struct{ cause error }

func (e *otherKeyError) Error() string { return "the keyring is another one: " + e.cause.Error() }

func (e *otherKeyError) Unwrap() error { return e.cause }

// unwrapKey opens the data key.
func (m *meta) unwrapKey(keys backends.KeyWrapper) (*sealed.Sealer, error) {
	s, err := sealed.OpenKey(keys, m.Key, product, m.Store)
	if err != nil {
		return nil, &otherKeyError{err}
	}
	return s, nil
}
