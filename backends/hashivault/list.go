package hashivault

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/secret"
)

// maxPage bounds a page: each secret of it costs a request.
const maxPage = 100

// List implements backends.Backend. It walks only the folders that the page
// needs.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	d := s.described
	if q.WithTrash {
		d = s.anywhere
	}
	p, err := s.list(ctx, q, d)
	return p, as(err, "list", "")
}

// describe is what a list asks of each name.
type describe func(context.Context, place, secret.Name) (*secret.Secret, error)

func (k *core) list(ctx context.Context, q secret.Query, d describe) (secret.Page, error) {
	if err := begin(ctx); err != nil {
		return secret.Page{}, err
	}
	limit := maxPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	names, err := k.names(ctx, q.After, limit+1)
	if err != nil {
		return secret.Page{}, err
	}
	var p secret.Page
	if len(names) > limit {
		names = names[:limit]
		p.Next = names[limit-1]
	}
	found := make([]*secret.Secret, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i, name := range names {
		g.Go(func() (err error) {
			found[i], err = k.summary(gctx, name, d)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return secret.Page{}, err
	}
	p.Secrets = slices.DeleteFunc(found, func(s *secret.Secret) bool { return s == nil })
	return p, nil
}

// summary describes one secret by its current version; nil: it is not, or no
// longer, there to be seen.
func (k *core) summary(ctx context.Context, name secret.Name, d describe) (*secret.Secret, error) {
	at, err := k.place(name)
	if err != nil {
		return nil, err
	}
	all, err := d(ctx, at, name)
	switch {
	case err != nil && secret.KindOf(err) == secret.NotFound:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return all.Only(all.Current), nil
}

// names returns the first names after a given one, sorted by the model's
// spelling. Escapes lie in the top folder alone, anywhere among the others.
func (k *core) names(ctx context.Context, after secret.Name, limit int) ([]secret.Name, error) {
	top, err := k.folder(ctx, "")
	if err != nil {
		return nil, err
	}
	w := &walk{k: k, after: after, limit: limit}
	for _, entry := range top {
		name, err := k.spell.Decode(entry)
		if err == nil && string(name) != entry && name > after {
			w.escaped = append(w.escaped, name)
		}
	}
	slices.Sort(w.escaped)
	if err := w.folder(ctx, "", top); err != nil {
		return nil, err
	}
	all := append(w.escaped, w.found...)
	slices.Sort(all)
	return all[:min(limit, len(all))], nil
}

func (k *core) folder(ctx context.Context, path string) ([]string, error) {
	keys, err := k.client.list(ctx, k.mount+k.lists+k.prefix+path)
	slices.Sort(keys)
	return keys, err
}

// walk gathers natural names in order. The entry "a/" of a folder sorts where
// the names in it do, so the order of entries is that of names.
type walk struct {
	k       *core
	after   secret.Name
	limit   int
	escaped []secret.Name
	found   []secret.Name
}

func (w *walk) folder(ctx context.Context, path string, entries []string) error {
	for _, entry := range entries {
		if len(w.found) >= w.limit {
			return nil
		}
		full := path + entry
		sub, isFolder := strings.CutSuffix(full, "/")
		if !isFolder {
			w.add(full)
			continue
		}
		passed := string(w.after) > full && !strings.HasPrefix(string(w.after), full)
		if passed || !w.k.spell.Natural(sub) {
			continue
		}
		inner, err := w.k.folder(ctx, full)
		if err != nil {
			return err
		}
		if err := w.folder(ctx, full, inner); err != nil {
			return err
		}
	}
	return nil
}

// add takes a name that native tools, or we, gave. One that the model cannot
// spell is not ours to show.
func (w *walk) add(full string) {
	name, err := w.k.spell.Decode(full)
	if err == nil && string(name) == full && name > w.after {
		w.found = append(w.found, name)
	}
}
