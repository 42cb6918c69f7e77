package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) (text []byte, revision string, err error) {
	const op = "postgres.read_state"
	if err := s.ready(ctx, op, kit.CheckStateKey(key)); err != nil {
		return nil, "", err
	}
	_, number, text, err := s.readState(ctx, s.query, key)
	if err == nil && number == 0 {
		err = secret.Errorf(secret.NotFound, "no such record")
	}
	if err != nil {
		return nil, "", failure(op, "", err)
	}
	return text, strconv.FormatUint(number, 10), nil
}

// WriteState implements backends.StateStore.
func (s *Store) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	const op = "postgres.write_state"
	if err := s.ready(ctx, op, kit.CheckState(key, text)); err != nil {
		return err
	}
	o := newOperation(op, secret.Name(key)) // $1 of the statements
	err := s.commit(ctx, o, func(ctx context.Context) error {
		old, number, _, err := s.readState(ctx, s.query, key)
		if err != nil {
			return &notSent{err}
		}
		if number == 0 && revision != "" || number != 0 && strconv.FormatUint(number, 10) != revision {
			return secret.Errorf(secret.Conflict, "")
		}
		w := &write{sql: s.sql.writeState, from: old}
		if old == nil {
			w.sql = s.sql.makeState
		}
		if w.to, err = s.sealer.Batch().SealState(key, number+1, text); err != nil {
			return err
		}
		return s.run(ctx, s.query, o, w)
	}, func(_ context.Context, _ secret.UID, ours bool) (bool, error) { return ours, nil })
	if err != nil {
		return failure(op, "", err)
	}
	return nil
}

// readState reads a record of the gateway; number zero: there is none.
func (s *Store) readState(ctx context.Context, read reader, key string) (record []byte, number uint64, text []byte, err error) {
	err = read(ctx, s.sql.readState, func(rows pgx.Rows) error { return each(rows, []any{&record}, nil) }, key)
	if err != nil || record == nil {
		return nil, 0, nil, err
	}
	number, text, err = s.sealer.UnsealState(key, record)
	return record, number, text, err
}
