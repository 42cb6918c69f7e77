package postgres

import (
	"bytes"
	"context"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// Verify implements backends.Verifier. It reads one state of the store, row by row.
func (s *Store) Verify(ctx context.Context) (found *backends.Findings, err error) {
	err = s.do(ctx, "postgres.verify", "", func() error {
		keys := *s.keys.Load()
		m, _, err := s.checkSchema(ctx)
		if err == nil {
			_, err = m.open(keys)
		}
		if err != nil {
			return err
		}
		found = &backends.Findings{Damage: []backends.Damage{}, Format: m.version, MadeAs: m.name, Key: keys.WrappedBy(m.key)}
		return s.inTx(ctx, beginRead, func(t *tx) error {
			if err := s.verifySecrets(ctx, t, found); err != nil {
				return err
			}
			return t.commit(ctx, s.verifyOrphans(found), s.verifyRecords(found), step{sql: s.sql.size, args: []any{s.schema}, into: []any{&found.Bytes}})
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// verifySecrets looks at each secret with all its versions.
func (s *Store) verifySecrets(ctx context.Context, t *tx, found *backends.Findings) error {
	var r row
	var name secret.Name
	var v *sealed.SecretVerifier
	end := func() {
		if v != nil {
			v.MissingValues()
			v.Compare()
		}
	}
	err := t.read(ctx, step{s.sql.whole, nil, r.into(), func() error {
		if v == nil || secret.Name(r.name) != name {
			end()
			name = secret.Name(r.name)
			v = s.sealer.VerifySecret(found, name)
			v.Head(r.deleted, r.head)
			if name.Validate() != nil {
				v.Damaged("the name is none")
			}
		}
		if r.ordinal == nil {
			return nil
		}
		n := secret.Ordinal(*r.ordinal)
		v.Version(n, r.attributes)
		if version := v.Versions[n]; version != nil && !bytes.Equal(version.UID[:], r.uid) {
			v.Damaged("version %d: its row has another id", n)
		}
		if r.value != nil {
			v.Value(n, r.value)
		}
		return nil
	}})
	end()
	return err
}

// verifyOrphans finds versions of secrets that are not there.
func (s *Store) verifyOrphans(found *backends.Findings) step {
	var name string
	return step{sql: s.sql.orphans, into: []any{&name}, each: func() error {
		found.Add(name, "there is no secret of this name, only what belongs to one")
		return nil
	}}
}

// verifyRecords looks at the gateway's own.
func (s *Store) verifyRecords(found *backends.Findings) step {
	var key string
	var record []byte
	return step{sql: s.sql.states, into: []any{&key, &record}, each: func() error {
		s.sealer.VerifyState(found, key, record)
		return nil
	}}
}
