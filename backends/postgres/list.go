package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// maxPage bounds a page whatever its Limit. leastSize is how many rows the shortest is
// cut of.
const (
	maxPage   = 1000
	leastSize = 32
)

// List implements backends.Backend.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	if q.WithTrash {
		return s.list(ctx, "postgres.list", q, s.sql.listAll)
	}
	return s.list(ctx, "postgres.list", q, s.sql.list)
}

// ListTrash implements backends.Backend.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.list(ctx, "postgres.list_trash", q, s.sql.listTrash)
}

// list is one state of the database as one page: each secret with its current
// version. A page may begin behind what is no text, which the database takes as
// bytes alone.
func (s *Store) list(ctx context.Context, op string, q secret.Query, sql string) (p secret.Page, err error) {
	limit := maxPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	size := leastSize // of a few, so that the database has a few statements to prepare
	for size <= limit {
		size *= 2
	}
	sql = strings.Replace(sql, "$size", strconv.Itoa(size), 1)
	err = s.do(ctx, op, "", func() error {
		return s.inTx(ctx, beginRead, func(t *tx) error {
			all, err := s.load(ctx, t.read, false, sql, textOf(q.After), []byte(q.After))
			if err != nil {
				return err
			}
			if len(all) > limit {
				all = all[:limit]
				p.Next = all[limit-1].head.Secret.Name
			}
			if err := s.pickCurrent(ctx, t, all); err != nil {
				return err
			}
			for _, f := range all {
				p.Secrets = append(p.Secrets, f.view())
			}
			return t.commit(ctx)
		})
	})
	if err != nil {
		return secret.Page{}, err
	}
	return p, nil
}

// textOf is what the name begins with, as far as that is text.
func textOf(name secret.Name) string {
	if i := strings.IndexFunc(string(name), func(r rune) bool { return r == 0 || r == utf8.RuneError }); i >= 0 {
		name = name[:i]
	}
	return string(name)
}

// pickCurrent reads the current versions that are not the newest ones, which are there.
func (s *Store) pickCurrent(ctx context.Context, t *tx, page []*found) error {
	var names []string
	var ordinals []int64
	lacking := map[string]*found{}
	for _, f := range page {
		n, current := string(f.head.Secret.Name), f.head.Secret.Current
		f.versions = slices.DeleteFunc(f.versions, func(v secret.Version) bool { return v.Ordinal != current })
		if len(f.versions) == 0 && current != 0 {
			names, ordinals, lacking[n] = append(names, n), append(ordinals, int64(current)), f
		}
	}
	if len(names) == 0 {
		return nil
	}
	var r row
	return t.read(ctx, step{s.sql.picked, []any{names, ordinals}, r.into(), func() error {
		v, err := s.openVersion(&r, cachedHead{}, false)
		if err == nil {
			lacking[r.name].versions = []secret.Version{*v}
		}
		return err
	}})
}

// partChunk is how many versions a part reads at a time.
const partChunk = 256

// DescribePart implements backends.VersionPager. It reads the head and, of the
// versions, those that the part passes.
func (s *Store) DescribePart(ctx context.Context, name secret.Name, p secret.Part) (out *secret.Secret, err error) {
	err = s.do(ctx, "postgres.describe_part", name, func() error {
		return s.inTx(ctx, beginRead, func(t *tx) error {
			if out, err = s.readPart(ctx, t, name, &p); err != nil {
				return err
			}
			return t.commit(ctx)
		})
	}, name.Validate())
	if err != nil {
		return nil, err
	}
	return out, nil
}

// readPart reads versions until p has enough of them.
func (s *Store) readPart(ctx context.Context, t *tx, name secret.Name, p *secret.Part) (*secret.Secret, error) {
	sql, after := s.sql.partByOrdinal, any(int64(p.After.Ordinal))
	if p.ByUID {
		sql, after = s.sql.partByUID, any(p.After.UID[:])
	}
	chunk := partChunk
	if p.Limit > 0 && p.Show == nil {
		chunk = min(p.Limit, partChunk)
	}
	var versions []secret.Version
	for {
		all, err := s.load(ctx, t.read, false, sql, string(name), p.InTrash, after, chunk)
		if err == nil && len(all) == 0 {
			err = noSecret()
		}
		if err != nil {
			return nil, err
		}
		f := all[0]
		versions = append(versions, f.versions...)
		out := p.Of(f.head.View(versions...))
		if len(f.versions) < chunk || p.Full(len(out.Versions)) {
			return out, nil
		}
		last := &versions[len(versions)-1]
		if after = any(int64(last.Ordinal)); p.ByUID {
			after = any(last.UID[:])
		}
	}
}
