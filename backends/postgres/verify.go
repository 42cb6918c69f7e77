package postgres

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// verifyChunk is how many secrets Verify reads at a time.
const verifyChunk = 500

// verifier looks through one state of the store.
type verifier struct {
	*Store
	t     *tx
	found *backends.Findings
}

// Verify implements backends.Verifier.
func (s *Store) Verify(ctx context.Context) (*backends.Findings, error) {
	const op = "postgres.verify"
	if err := s.ready(ctx, op); err != nil {
		return nil, err
	}
	found := &backends.Findings{Damage: []backends.Damage{}}
	m, err := s.checkSchema(ctx)
	if err == nil {
		_, err = m.open(s.keys)
	}
	if err != nil {
		return nil, failure(op, "", err)
	}
	found.Format, found.MadeAs, found.Key = m.version, m.name, s.keys.WrappedBy(m.key)
	err = s.inTx(ctx, beginRead, func(t *tx) error {
		v := &verifier{s, t, found}
		for _, look := range []func(context.Context) error{v.secrets, v.orphans, v.records, v.size} {
			if err := look(ctx); err != nil {
				return err
			}
		}
		return t.commit(ctx)
	})
	if err != nil {
		return nil, failure(op, "", err)
	}
	return found, nil
}

// secrets looks at each secret with all its versions.
func (v *verifier) secrets(ctx context.Context) error {
	for after, more := "", true; more; {
		var names []string
		var deleted []bool
		var name string
		var inTrash bool
		err := v.t.read(ctx, in(v.schema, `SELECT name, deleted FROM $schema.secret WHERE name > $1 ORDER BY name LIMIT $2`), func(rows pgx.Rows) error {
			return each(rows, []any{&name, &inTrash}, func() error {
				names, deleted, after = append(names, name), append(deleted, inTrash), name
				return nil
			})
		}, after, verifyChunk)
		if err != nil {
			return err
		}
		for i := range names {
			if err := v.secret(ctx, secret.Name(names[i]), deleted[i]); err != nil {
				return err
			}
		}
		more = len(names) == verifyChunk
	}
	return nil
}

func (v *verifier) secret(ctx context.Context, name secret.Name, deleted bool) error {
	if v.found.Secrets++; deleted {
		v.found.Secrets--
		v.found.Deleted++
	}
	if name.Validate() != nil {
		v.found.Add(string(name), "the name is none")
	}
	var h *history.Head
	var last secret.Ordinal
	there, first := map[secret.Ordinal]bool{}, true
	r := new(versionRow)
	err := v.t.read(ctx, v.sql.all, func(rows pgx.Rows) error {
		return each(rows, []any{&r.ordinal, &r.uid, &r.attributes, &r.value}, func() (err error) {
			if first {
				first = false
				if h, err = v.openHead(name, deleted, r.attributes); err != nil {
					v.found.Add(string(name), "its own record does not open: its description, tags, labels and which version is current are lost")
				}
				return nil
			}
			last = secret.Ordinal(*r.ordinal)
			there[last] = true
			v.version(name, r)
			return nil
		})
	}, string(name), deleted, true)
	if err == nil && h != nil {
		v.compare(h, there, last)
	}
	return err
}

func (v *verifier) version(name secret.Name, r *versionRow) {
	v.found.Versions++
	o := strconv.FormatInt(*r.ordinal, 10)
	at, err := v.openVersion(name, r, false)
	switch {
	case err != nil:
		v.found.Add(string(name), "version "+o+": its attributes do not open")
	case at.Missing != "" && r.value != nil:
		v.found.Add(string(name), "version "+o+" says that it has no value, and there is one")
	case at.Missing == "":
		if _, err := v.sealer.UnsealValue(name, at.UID, r.value); err != nil {
			v.found.Add(string(name), "version "+o+": its value does not open")
		}
	}
}

// compare finds what the head names and is not there.
func (v *verifier) compare(h *history.Head, there map[secret.Ordinal]bool, last secret.Ordinal) {
	name := string(h.Secret.Name)
	if (h.Secret.Current != 0 && !there[h.Secret.Current]) || (h.Secret.Previous != 0 && !there[h.Secret.Previous]) {
		v.found.Add(name, "a role names a version that is not there")
	}
	for _, o := range h.Stages {
		if !there[o] {
			v.found.Add(name, "a label names a version that is not there")
			break
		}
	}
	if h.Last < last || len(there) == 0 {
		v.found.Add(name, "its own record does not fit its versions")
	}
}

// orphans finds versions of secrets that are not there.
func (v *verifier) orphans(ctx context.Context) error {
	var name string
	return v.t.read(ctx, in(v.schema, `SELECT DISTINCT v.name FROM $schema.version v LEFT JOIN $schema.secret s ON s.name = v.name WHERE s.name IS NULL ORDER BY 1`),
		func(rows pgx.Rows) error {
			return each(rows, []any{&name}, func() error {
				v.found.Add(name, "there are versions, and no secret")
				return nil
			})
		})
}

// records looks at the gateway's own.
func (v *verifier) records(ctx context.Context) error {
	var key string
	var record []byte
	return v.t.read(ctx, in(v.schema, `SELECT key, record FROM $schema.state ORDER BY 1`), func(rows pgx.Rows) error {
		return each(rows, []any{&key, &record}, func() error {
			v.found.Records++
			_, text, err := v.sealer.UnsealState(key, record)
			switch {
			case kit.CheckStateKey(key) != nil:
				v.found.Add("", "records of the gateway: a key is none: "+strconv.Quote(key))
			case err != nil:
				v.found.Add("", "the gateway's record "+strconv.Quote(key)+" does not open")
			case !json.Valid(text):
				v.found.Add("", "the gateway's record "+strconv.Quote(key)+" is no JSON")
			}
			return nil
		})
	})
}

func (v *verifier) size(ctx context.Context) error {
	return v.t.read(ctx, `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r'`, func(rows pgx.Rows) error { return each(rows, []any{&v.found.Bytes}, nil) }, v.schema)
}
