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
	scan func(pgx.Rows) error // nil: they do not matter
}

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
		return &notSent{err}
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
	for _, st := range steps {
		q := b.Queue(st.sql, st.args...)
		if st.scan != nil {
			q.Query(st.scan)
		}
	}
	return t.store.broken(t.conn, t.conn.SendBatch(ctx, b).Close())
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

// commit is round, and the end of the transaction. Its error may mean that
// nobody knows: see uncertain.
func (t *tx) commit(ctx context.Context, steps ...step) error {
	return t.round(ctx, append(steps, step{sql: "COMMIT"})...)
}

// query is one statement outside of a transaction: one round trip.
func (s *Store) query(ctx context.Context, sql string, scan func(pgx.Rows) error, args ...any) error {
	backends.CountCall(ctx)
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return &notSent{err}
	}
	defer conn.Release()
	rows, err := conn.Query(ctx, sql, args...)
	if err == nil {
		err = scan(rows)
		rows.Close()
		if rows.Err() != nil {
			err = rows.Err()
		}
	}
	return s.broken(conn, err)
}

// lastGrace is how long a caller who has gone is kept for an outcome that is
// being decided.
const lastGrace = time.Second

// graced is ctx for a statement that commits: it outlives ctx by lastGrace.
func graced(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(lastGrace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-out.Done():
		}
	})
	return out, func() { stop(); cancel() }
}

// read is one statement of the transaction that changes nothing.
func (t *tx) read(ctx context.Context, sql string, scan func(pgx.Rows) error, args ...any) error {
	if err := t.round(ctx, step{sql, args, scan}); err != nil {
		return &notSent{err}
	}
	return nil
}
