package connection

import (
	"context"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// maxPage bounds a page: each secret of it costs a request.
const maxPage = 100

// Describe returns one secret without values, or NotFound.
type Describe func(context.Context, Location, secret.Name) (*secret.Secret, error)

// One is an operation on one secret that describes it.
func (f *Folder) One(ctx context.Context, op string, name secret.Name, describe Describe) (*secret.Secret, error) {
	at, err := f.Locate(name)
	if err != nil {
		return nil, Named(err, op, name)
	}
	s, err := describe(ctx, at, name)
	return s, Named(err, op, name)
}

// Page is an operation that lists the secrets of the folder that describe knows,
// each by its current version. It walks only the folders that the page needs,
// and describes each name of the page: the product tells no more in its lists.
func (f *Folder) Page(ctx context.Context, op string, q secret.Query, describe Describe) (secret.Page, error) {
	p, err := f.page(ctx, q, describe)
	return p, Named(err, op, "")
}

func (f *Folder) page(ctx context.Context, q secret.Query, describe Describe) (secret.Page, error) {
	limit := maxPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	names, err := f.names(ctx, q.After, limit+1)
	if err != nil {
		return secret.Page{}, err
	}
	var p secret.Page
	if len(names) > limit {
		names = names[:limit]
		p.Next = names[limit-1]
	}
	p.Secrets, err = kit.Gather(ctx, InFlight, names, func(ctx context.Context, name *secret.Name) (*secret.Secret, error) {
		at, err := f.Locate(*name)
		if err != nil {
			return nil, err
		}
		all, err := describe(ctx, at, *name)
		switch {
		case kit.Is(err, secret.NotFound): // it is not, or no longer, there to be seen
			return nil, nil
		case err != nil:
			return nil, err
		}
		return all.Only(all.Current), nil
	})
	return p, err
}

// names returns the first names after a given one, sorted by the model's
// spelling. Escapes lie in the top folder alone, anywhere among the others.
func (f *Folder) names(ctx context.Context, after secret.Name, limit int) ([]secret.Name, error) {
	top, err := f.entries(ctx, "")
	if err != nil {
		return nil, err
	}
	w := &walk{f: f, after: after, limit: limit}
	for _, entry := range top {
		name, err := f.Engine.Naming.Decode(entry)
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

// walk gathers natural names in order. The entry "a/" of a folder sorts where
// the names in it do, so the order of entries is that of names.
type walk struct {
	f       *Folder
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
		if passed || !w.f.Engine.Naming.Natural(sub) {
			continue
		}
		inner, err := w.f.entries(ctx, full)
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
	name, err := w.f.Engine.Naming.Decode(full)
	if err == nil && string(name) == full && name > w.after {
		w.found = append(w.found, name)
	}
}
