package postgres

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Forecast implements backends.Backend: only values over MaxValue are lost.
func (*Store) Forecast(in *secret.Secret) []secret.Loss { return loss.OfLongValues(in, MaxValue) }

// Import implements backends.Backend, in one transaction: none is ever
// unfinished, so no token is needed to complete one. The versions stream by COPY,
// sealed on the way.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	const op = "postgres.import"
	in = loss.Apply(in, s.Forecast(in))
	h, err := history.HeadOf(in)
	o := newOperation(op, in.Name)
	err = s.do(ctx, op, in.Name, func() error {
		b := s.sealer.Batch()
		w := &write{sql: s.sql.begin, head: h}
		if w.to, err = b.SealHead(h); err != nil {
			return err
		}
		rows := func(i int) ([]any, error) {
			v := &in.Versions[i]
			attributes, value, err := b.SealVersion(in.Name, v)
			return []any{string(in.Name), int64(v.Ordinal), v.UID[:], attributes, value}, err
		}
		return s.commit(ctx, o, func(ctx context.Context) error {
			return s.inTx(ctx, beginWrite, func(t *tx) error {
				err := s.run(ctx, t.read, o, w)
				if errors.Is(err, errAgain) {
					err = cmp.Or(o.stands.refuse(true), err)
				}
				if err == nil {
					backends.CountCall(ctx)
					_, err = t.conn.CopyFrom(ctx, pgx.Identifier{s.schema, "version"}, []string{"name", "ordinal", "uid", "attributes", "value"}, pgx.CopyFromSlice(len(in.Versions), rows))
					err = s.broken(t.conn, err)
				}
				if err == nil {
					err = t.commit(ctx)
				}
				if err == nil {
					s.settled(o, w)
				}
				return err
			})
		}, func(_ context.Context, _ secret.UID, ours bool) (bool, error) { return ours, nil })
	}, err)
	if err != nil {
		return nil, err
	}
	return kit.Imported(h.View(in.Versions...)), nil
}
