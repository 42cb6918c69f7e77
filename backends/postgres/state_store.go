package postgres

import (
	"context"
	"strconv"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) (text []byte, revision string, err error) {
	err = s.do(ctx, "postgres.read_state", "", func() (err error) {
		if _, revision, text, err = s.readState(ctx, s.read, key); err == nil && revision == "" {
			err = secret.Errorf(secret.NotFound, "no such record")
		}
		return err
	}, kit.CheckStateKey(key))
	return text, revision, err
}

// WriteState implements backends.StateStore.
func (s *Store) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	const op = "postgres.write_state"
	o := newOperation(op, secret.Name(key))
	find := func(ctx context.Context, read reader) (*found, error) {
		record, stands, _, err := s.readState(ctx, read, key)
		if err == nil && stands != revision {
			err = secret.Errorf(secret.Conflict, "")
		}
		return &found{sealed: record}, err
	}
	next := func(f *found) (_ *write, err error) {
		w := &write{sql: s.sql.writeState, from: f.sealed}
		if f.sealed == nil {
			w.sql = s.sql.makeState
		}
		number, _ := strconv.ParseUint(revision, 10, 64) // it is one that readState made, or empty
		w.to, err = s.sealer.Batch().SealState(key, number+1, text)
		return w, err
	}
	return s.do(ctx, op, "", func() error {
		return s.change(ctx, o, find, next, func(_ context.Context, _ secret.UID, ours bool) (bool, error) { return ours, nil })
	}, kit.CheckState(key, text))
}

// readState reads a record of the gateway; without a revision: there is none.
func (s *Store) readState(ctx context.Context, read reader, key string) (record []byte, revision string, text []byte, err error) {
	err = read(ctx, step{sql: s.sql.state, args: []any{key}, into: []any{&record}})
	if err != nil || record == nil {
		return nil, "", nil, err
	}
	number, text, err := s.sealer.UnsealState(key, record)
	return record, strconv.FormatUint(number, 10), text, err
}
