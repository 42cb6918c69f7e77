package kv2

import (
	"context"
	"strconv"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

func (s *Store) statePath(key string) string { return s.Prefix + connection.StateFolder + key }

// stateRecord is what the engine holds of a record. One that native tools
// deleted leaves its number behind.
type stateRecord struct {
	Record string `json:"record"`
}

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", connection.Named(err, "read_state", "")
	}
	got, err := s.readState(ctx, key)
	switch {
	case err != nil:
		return nil, "", connection.Named(err, "read_state", "")
	case got.Data == nil:
		return nil, "", connection.Named(&secret.Error{Kind: secret.NotFound}, "read_state", "")
	}
	return []byte(got.Data.Record), strconv.FormatInt(got.Metadata.Version, 10), nil
}

// readState returns number zero and no data where there never was a record.
func (s *Store) readState(ctx context.Context, key string) (*dataAnswer[*stateRecord], error) {
	got := new(dataAnswer[*stateRecord])
	err := s.Read(ctx, "/data/"+s.statePath(key), nil, got)
	if err != nil && secret.KindOf(err) == secret.NotFound {
		return got, nil
	}
	return got, err
}

// WriteState implements backends.StateStore. cas guards it, so two writers lose
// nothing.
func (s *Store) WriteState(ctx context.Context, key string, record []byte, revision string) error {
	if err := kit.CheckState(key, record); err != nil {
		return connection.Named(err, "write_state", "")
	}
	number, err := strconv.ParseInt(revision, 10, 64)
	switch {
	case revision == "":
		number, err = s.newState(ctx, key)
	case err != nil || number < 1:
		err = &secret.Error{Kind: secret.Conflict}
	}
	if err == nil {
		_, err = s.writeData(ctx, s.statePath(key), connection.Marshal(stateRecord{string(record)}), number)
	}
	return connection.Named(err, "write_state", "")
}

// newState makes a place for a record and returns the number to write after.
func (s *Store) newState(ctx context.Context, key string) (int64, error) {
	got, err := s.readState(ctx, key)
	switch {
	case err != nil:
		return 0, err
	case got.Data != nil:
		return 0, &secret.Error{Kind: secret.Conflict}
	}
	// One version is enough; the default would keep ten.
	return got.Metadata.Version, s.Write(ctx, "/metadata/"+s.statePath(key), []byte(`{"max_versions":1}`), nil)
}
