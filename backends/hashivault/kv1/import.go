package kv1

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Import implements backends.Backend. The one value that is written last makes
// all of it visible; until then there is nothing.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	next, err := s.reduced(in)
	if err == nil {
		err = s.changing(ctx, in.Name, func(st *state) error {
			if err := st.taken(); err != nil {
				return err
			}
			data, form, err := encode(s.Field, next.Versions[0].Value)
			if err != nil {
				return err
			}
			return s.replace(ctx, st, next, data, form)
		})
	}
	if err != nil {
		return new(backends.Imported), connection.Named(err, "import", in.Name)
	}
	return kit.Imported(next.View()), nil
}

// reduced is what stays of in, less the losses. The numbers that were given
// stay given.
func (s *Store) reduced(in *secret.Secret) (*history.State, error) {
	all, err := history.HeadOf(in)
	if err = errors.Join(err, connection.CheckSecretTimes(in)); err != nil {
		return nil, err
	}
	out := loss.Apply(in, s.Forecast(in))
	if len(out.Versions) == 0 {
		return nil, secret.Errorf(secret.Lossy, "no version of the secret fits into Vault")
	}
	next, err := history.StateOf(out)
	if err == nil {
		next.Last = all.Last
	}
	return next, err
}
