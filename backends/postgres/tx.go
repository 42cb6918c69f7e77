package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/vaultferry/vaultferry/backends"
)

// step is one statement, and what becomes of its rows.
type step struct {
	sql  string
	args []any
	into []any        // where each row goes; nil: they do not matter
	each func() error // called after each row; may be nil
}

func (st *step) scan(rows pgx.Rows) error {
	each := st.each
	if each == nil {
		each = func() error { return nil }
	}
	_, err := pgx.ForEachRow(rows, st.into, each)
	return err
}

// reader makes a step: outside of a transaction or within one.
type reader func(context.Context, step) error

// tx is one transaction. Each round of it is one round trip.
type tx struct {
	store *Store
	conn  *pgxpool.Conn
	begin string // not sent yet
}

// How transactions begin: what writes, and what reads several statements.
const (
	beginWrite = "BEGIN ISOLATION LEVEL READ COMMITTED"
	beginRead  = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
)

// inTx runs f in a transaction, which f ends by commit. Else it is taken back.
func (s *Store) inTx(ctx context.Context, begin string, f func(*tx) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // closes what is left within a transaction
	t := &tx{store: s, conn: conn, begin: begin}
	err = f(t)
	if c := conn.Conn().PgConn(); !c.IsClosed() && c.TxStatus() != 'I' {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastGrace)
		defer cancel()
		_, endErr := conn.Exec(end, "ROLLBACK")
		if err == nil {
			err = endErr
		}
	}
	return err
}

// round sends the steps together and reads what they answer.
func (t *tx) round(ctx context.Context, steps ...step) error {
	backends.CountCall(ctx)
	b := new(pgx.Batch)
	if t.begin != "" {
		b.Queue(t.begin)
		t.begin = ""
	}
	for i := range steps {
		if q := b.Queue(steps[i].sql, steps[i].args...); steps[i].into != nil {
			q.Query(steps[i].scan)
		}
	}
	return t.store.broken(t.conn, t.conn.SendBatch(ctx, b).Close())
}

// read makes a step that commits nothing.
func (t *tx) read(ctx context.Context, st step) error { return t.round(ctx, st) }

// commit is round, and the end of the transaction. Its error may mean that
// nobody knows: see uncertain.
func (t *tx) commit(ctx context.Context, steps ...step) error {
	return asCommitting(t.round(ctx, append(steps, step{sql: "COMMIT"})...))
}

// write is one statement outside of a transaction, which commits: one round trip. Its
// error may mean that nobody knows: see uncertain.
func (s *Store) write(ctx context.Context, st step) error { return s.query(ctx, st, asCommitting) }

// read is one statement that changes nothing: one round trip.
func (s *Store) read(ctx context.Context, st step) error {
	return s.query(ctx, st, func(err error) error { return err })
}

func (s *Store) query(ctx context.Context, st step, failed func(error) error) error {
	backends.CountCall(ctx)
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	rows, err := conn.Query(ctx, st.sql, st.args...)
	if err == nil {
		err = st.scan(rows)
	}
	return failed(s.broken(conn, err))
}

// ask has f ask the database, on one connection.
func (s *Store) ask(ctx context.Context, f func(querier) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return s.broken(conn, f(conn))
}

// broken names what ended the connection. Where one broke, or leads to a server
// that takes no writes any more, the others do, too: they are made anew.
func (s *Store) broken(conn *pgxpool.Conn, err error) error {
	switch {
	case err != nil && conn.Conn().IsClosed():
		s.pool.Reset()
		return errors.Join(err, errBroken)
	case isCode(err, "25006"):
		s.pool.Reset()
	}
	return err
}

// lastGrace is how long a caller who has gone is kept for an outcome that is
// being decided.
const lastGrace = time.Second

// graced is ctx for a statement that commits: it outlives ctx by lastGrace.
func graced(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		pause(out, lastGrace)
		cancel()
	})
	return out, func() { stop(); cancel() }
}
