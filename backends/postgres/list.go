package postgres

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/secret"
)

// maxPage bounds a page whatever its Limit.
const maxPage = 1000

// List implements backends.Backend.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	if q.WithTrash {
		return s.list(ctx, "postgres.list", q, s.sql.listAll)
	}
	return s.list(ctx, "postgres.list", q, s.sql.list, false)
}

// ListTrash implements backends.Backend.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.list(ctx, "postgres.list_trash", q, s.sql.list, true)
}

// list is one state of the database as one page.
func (s *Store) list(ctx context.Context, op string, q secret.Query, sql string, which ...any) (p secret.Page, err error) {
	if err := s.ready(ctx, op); err != nil {
		return p, err
	}
	limit := maxPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	err = s.inTx(ctx, beginRead, func(t *tx) error {
		page, more, err := s.readPage(ctx, t, sql, q.After, limit, which)
		if err != nil {
			return err
		}
		if more {
			p.Next = page[len(page)-1].head.Secret.Name
		}
		for _, f := range page {
			if f.version == nil {
				p.Secrets = append(p.Secrets, f.head.View())
			} else {
				p.Secrets = append(p.Secrets, f.head.View(*f.version))
			}
		}
		return t.commit(ctx)
	})
	if err != nil {
		return secret.Page{}, failure(op, "", err)
	}
	return p, nil
}

// readPage reads secrets, each with its current version, and whether more follow.
// The database takes no text that is not UTF-8, and yet such a place may be asked
// for: it is looked for from the text before it on.
func (s *Store) readPage(ctx context.Context, t *tx, sql string, after secret.Name, limit int, which []any) (page []*found, more bool, err error) {
	from := after
	for i, r := range string(after) {
		if r == 0 || r == utf8.RuneError {
			from = after[:i]
			break
		}
	}
	for more = true; more && len(page) == 0; {
		if page, err = s.readHeads(ctx, t, sql, append([]any{string(from), limit + 1}, which...)); err != nil {
			return nil, false, err
		}
		if more = len(page) > limit; more {
			page = page[:limit]
			from = page[limit-1].head.Secret.Name
		}
		page = slices.DeleteFunc(page, func(f *found) bool { return f.head.Secret.Name <= after })
	}
	return page, more, s.pickCurrent(ctx, t, page)
}

func (s *Store) readHeads(ctx context.Context, t *tx, sql string, args []any) (page []*found, err error) {
	var name string
	var head []byte
	var deleted bool
	r := new(versionRow)
	err = t.read(ctx, sql, func(rows pgx.Rows) error {
		return each(rows, []any{&name, &head, &deleted, &r.ordinal, &r.uid, &r.attributes}, func() (err error) {
			f := &found{deleted: deleted}
			if f.head, err = s.openHead(secret.Name(name), deleted, head); err != nil {
				return err
			}
			if r.ordinal != nil && secret.Ordinal(*r.ordinal) == f.head.Secret.Current {
				f.version, err = s.openVersion(secret.Name(name), r, false)
			}
			page = append(page, f)
			return err
		})
	}, args...)
	return page, err
}

// pickCurrent reads the current versions that are not the newest ones.
func (s *Store) pickCurrent(ctx context.Context, t *tx, page []*found) error {
	var names []string
	var ordinals []int64
	lacking := map[string]*found{}
	for _, f := range page {
		if n := f.head.Secret.Name; f.version == nil && f.head.Secret.Current != 0 {
			names, ordinals, lacking[string(n)] = append(names, string(n)), append(ordinals, int64(f.head.Secret.Current)), f
		}
	}
	if len(names) == 0 {
		return nil
	}
	var name string
	r := new(versionRow)
	return t.read(ctx, s.sql.picked, func(rows pgx.Rows) error {
		return each(rows, []any{&name, &r.ordinal, &r.uid, &r.attributes}, func() (err error) {
			lacking[name].version, err = s.openVersion(secret.Name(name), r, false)
			return err
		})
	}, names, ordinals)
}

// partChunk is how many versions a part reads at a time.
const partChunk = 256

// DescribePart implements backends.VersionPager. It reads the head and, of the
// versions, those that the part passes.
func (s *Store) DescribePart(ctx context.Context, name secret.Name, p secret.Part) (out *secret.Secret, err error) {
	const op = "postgres.describe_part"
	if err := s.ready(ctx, op, name.Validate()); err != nil {
		return nil, err
	}
	err = s.inTx(ctx, beginRead, func(t *tx) error {
		f, err := s.findOnce(ctx, t.read, name, secret.ByOrdinal(math.MaxInt64), false) // the head alone
		if err != nil {
			return err
		}
		if f == nil || f.deleted != p.InTrash {
			return noSecret()
		}
		vs, err := s.readPart(ctx, t, f, &p)
		if err != nil {
			return err
		}
		out = f.head.View(vs...)
		return t.commit(ctx)
	})
	if err != nil {
		return nil, failure(op, name, err)
	}
	return out, nil
}

// readPart reads the attributes of the versions that p picks, oldest first.
func (s *Store) readPart(ctx context.Context, t *tx, f *found, p *secret.Part) (out []secret.Version, err error) {
	sql, after := s.sql.partByOrdinal, any(int64(p.After.Ordinal))
	if p.ByUID {
		sql, after = s.sql.partByUID, any(bytes.Clone(p.After.UID[:]))
	}
	name, labels := f.head.Secret.Name, f.head.Labels()
	for more := true; more && !p.Full(len(out)); {
		n, chunk := 0, partChunk
		if p.Limit > 0 && p.Show == nil {
			chunk = min(p.Limit-len(out), partChunk)
		}
		r := new(versionRow)
		err := t.read(ctx, sql, func(rows pgx.Rows) error {
			return each(rows, []any{&r.ordinal, &r.uid, &r.attributes}, func() error {
				n++
				if after = any(*r.ordinal); p.ByUID {
					after = bytes.Clone(r.uid)
				}
				v, err := s.openVersion(name, r, false)
				if err != nil {
					return err
				}
				v.Stages = labels[v.Ordinal]
				if !p.Full(len(out)) && (p.Show == nil || p.Show(&f.head.Secret, v)) {
					out = append(out, *v)
				}
				return nil
			})
		}, string(name), after, chunk)
		if err != nil {
			return nil, err
		}
		more = n == chunk
	}
	slices.SortFunc(out, func(a, b secret.Version) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return out, nil
}
