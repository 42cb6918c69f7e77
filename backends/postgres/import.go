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
// unfinished, so no token is needed to complete one.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	const op = "postgres.import"
	in = loss.Apply(in, s.Forecast(in))
	h, err := history.HeadOf(in)
	err = s.do(ctx, op, in.Name, func() error {
		return s.bulk(ctx, newOperation(op, in.Name), &write{sql: s.sql.begin, head: h}, in.Versions, func(stands *found) error { return stands.refuse(true) })
	}, err)
	if err != nil {
		return nil, err
	}
	return kit.Imported(h.View(in.Versions...)), nil
}

// Append implements backends.Marker.
func (s *Store) Append(ctx context.Context, name secret.Name, only secret.Mark, versions []secret.Draft) (out *secret.Secret, err error) {
	const op = "postgres.append"
	err = s.do(ctx, op, name, func() error {
		from := []byte(only)
		known, err := s.openHead(s.heads.get(name), name, false, from)
		if err != nil {
			return err
		}
		h := known.Clone()
		vs := h.AppendAll(versions, s.clock.now())
		out = h.View(vs...).WithoutValues()
		return s.bulk(ctx, newOperation(op, name), &write{sql: s.sql.move, from: from, head: &h}, vs, (*found).moved)
	}, name.Validate(), history.CheckDrafts(versions), history.CheckLengths(MaxValue, versions...))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// bulk commits the state of w with more versions, in one transaction. They stream by
// COPY, sealed on the way. refuse says why not where another state stands.
func (s *Store) bulk(ctx context.Context, o *operation, w *write, versions []secret.Version, refuse func(*found) error) (err error) {
	b := s.sealer.Batch()
	if w.to, err = b.SealHead(w.head); err != nil {
		return err
	}
	rows := func(i int) ([]any, error) {
		v := &versions[i]
		attributes, value, err := b.SealVersion(o.name, v)
		return []any{string(o.name), int64(v.Ordinal), v.UID[:], attributes, value}, err
	}
	return s.commit(ctx, o, func(ctx context.Context) error {
		return s.inTx(ctx, beginWrite, func(t *tx) error {
			err := s.run(ctx, t.read, o, w)
			if errors.Is(err, errAgain) {
				err = cmp.Or(refuse(o.stands), err)
			}
			if err == nil {
				backends.CountCall(ctx)
				_, err = t.conn.CopyFrom(ctx, pgx.Identifier{s.schema, "version"}, []string{"name", "ordinal", "uid", "attributes", "value"}, pgx.CopyFromSlice(len(versions), rows))
				err = s.broken(t.conn, err)
			}
			if isTakenUID(err) {
				err = history.TakenUID()
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
}
