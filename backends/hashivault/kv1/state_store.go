package kv1

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// stateRecord is what KV v1 holds of a record: it numbers nothing, so each one
// has a mark of its own.
type stateRecord struct {
	Record string `json:"record"`
	Mark   string `json:"mark"`
}

func (s *Store) statePath(key string) string { return "/" + s.Prefix + connection.StateFolder + key }

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	err := kit.CheckStateKey(key)
	var got stateRecord
	if err == nil {
		got, err = s.readState(ctx, key)
	}
	if err == nil && got.Mark == "" {
		err = &secret.Error{Kind: secret.NotFound}
	}
	if err != nil {
		return nil, "", connection.Named(err, "read_state", "")
	}
	return []byte(got.Record), got.Mark, nil
}

// readState returns no mark where there is no record.
func (s *Store) readState(ctx context.Context, key string) (got stateRecord, err error) {
	err = s.Read(ctx, s.statePath(key), nil, &got)
	if errors.Is(err, secret.NotFound) {
		return stateRecord{}, nil
	}
	return got, err
}

// WriteState implements backends.StateStore. Of two processes that write in one
// moment the later wins.
func (s *Store) WriteState(ctx context.Context, key string, record []byte, revision string) error {
	return connection.Named(s.writeState(ctx, key, record, revision), "write_state", "")
}

func (s *Store) writeState(ctx context.Context, key string, record []byte, revision string) error {
	if err := kit.CheckState(key, record); err != nil {
		return err
	}
	unlock, err := s.states.Lock(ctx, secret.Name(key))
	if err != nil {
		return err
	}
	defer unlock()
	got, err := s.readState(ctx, key)
	switch {
	case err != nil:
		return err
	case got.Mark != revision:
		return &secret.Error{Kind: secret.Conflict}
	}
	return s.Write(ctx, s.statePath(key), connection.Marshal(stateRecord{Record: string(record), Mark: secret.NewUID().String()}), nil)
}
