package kv1

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Import implements backends.Backend. The one value that is written last makes
// all of it visible; until then there is nothing.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	done := new(backends.Imported)
	h, v, err := s.reduced(in)
	if err == nil {
		err = s.changing(ctx, in.Name, func(st *state) error {
			switch {
			case st.exists && st.deletion != nil:
				return &secret.Error{Kind: secret.Trashed}
			case st.exists:
				return &secret.Error{Kind: secret.AlreadyExists}
			}
			data, form, err := encode(s.Field, v.Value)
			if err != nil {
				return err
			}
			return s.replace(ctx, st, h, v, data, form)
		})
	}
	if err != nil {
		return done, connection.Named(err, "import", in.Name)
	}
	done.Secret, done.Stands = h.View(*v).WithoutValues(), []secret.Ordinal{v.Ordinal}
	return done, nil
}

// reduced is what stays of in, less the losses. The numbers that were given
// stay given.
func (s *Store) reduced(in *secret.Secret) (*history.Head, *secret.Version, error) {
	all, err := history.HeadOf(in)
	if err = errors.Join(err, connection.CheckSecretTimes(in)); err != nil {
		return nil, nil, err
	}
	out := loss.Apply(in, s.Forecast(in))
	if len(out.Versions) == 0 {
		return nil, nil, secret.Errorf(secret.Lossy, "no version of the secret fits into Vault")
	}
	out.Deleted = nil // what is imported is live
	return history.Of(out, all.Last), &out.Versions[0], nil
}
