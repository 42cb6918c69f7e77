package postgres

import (
	"context"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) (text []byte, revision string, err error) {
	err = s.do(ctx, "postgres.read_state", "", func() error {
		f, err := s.findState(ctx, s.read, key)
		if err == nil {
			text, revision, err = s.sealer.UnsealState(key, f.sealed)
		}
		return err
	}, kit.CheckStateKey(key))
	return text, revision, err
}

// WriteState implements backends.StateStore.
func (s *Store) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	const op = "postgres.write_state"
	o := newOperation(op, secret.Name(key))
	find := func(ctx context.Context, read reader) (*found, error) { return s.findState(ctx, read, key) }
	next := func(f *found) (_ *write, err error) {
		w := &write{sql: s.sql.writeState, from: f.sealed}
		if f.sealed == nil {
			w.sql = s.sql.makeState
		}
		w.to, err = s.sealer.NextState(key, f.sealed, revision, text)
		return w, err
	}
	return s.do(ctx, op, "", func() error {
		return s.change(ctx, o, find, next, func(_ context.Context, _ secret.UID, ours bool) (bool, error) { return ours, nil })
	}, kit.CheckState(key, text))
}

// findState reads a record of the gateway. Not sealed: there is none.
func (s *Store) findState(ctx context.Context, read reader, key string) (*found, error) {
	f := new(found)
	return f, read(ctx, step{sql: s.sql.state, args: []any{key}, into: []any{&f.sealed}})
}
