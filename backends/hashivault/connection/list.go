package connection

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// maxPage bounds a page: each secret of it costs a request, but not in a page of
// names alone, which maxNamePage bounds.
const maxPage, maxNamePage = 100, 1000

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

// Resolve finds out what the secret of a name is to a list: it may be left out.
// NotFound: nothing of it is to be told.
type Resolve func(context.Context, Location, secret.Name) (kit.Resolved, error)

// Shown resolves to whatever describe finds.
func Shown(describe Describe) Resolve {
	return func(ctx context.Context, at Location, name secret.Name) (kit.Resolved, error) {
		s, err := describe(ctx, at, name)
		return kit.Resolved{Secret: s}, err
	}
}

// Page is an operation that lists the secrets of the folder that resolve knows,
// each by its current version. It walks only the folders that the page needs,
// and resolves each name of the page: the product tells no more in its lists.
func (f *Folder) Page(ctx context.Context, op string, q secret.Query, resolve Resolve) (secret.Page, error) {
	p, err := f.page(ctx, q, resolve)
	return p, Named(err, op, "")
}

// NamePage is a list of names alone. Each page costs the product's whole list of
// each folder that it is in.
func (f *Folder) NamePage(ctx context.Context, q secret.Query) (secret.Page, error) {
	names, next, leftOut, err := f.cut(ctx, q, maxNamePage)
	if err != nil {
		return secret.Page{}, Named(err, "list", "")
	}
	return kit.ResolvePage(ctx, 1, q, names, next, leftOut, func(_ context.Context, name *secret.Name) (kit.Resolved, error) {
		return kit.Resolved{Secret: &secret.Secret{Name: *name}}, nil
	})
}

// cut is the names of one page, and what was met beside them and the names after.
func (f *Folder) cut(ctx context.Context, q secret.Query, limit int) (names []secret.Name, next secret.Name, leftOut []secret.LeftOut, err error) {
	if q.Limit > 0 {
		limit = min(q.Limit, limit)
	}
	names, leftOut, err = f.names(ctx, q.After, limit+1)
	if err == nil && len(names) > limit {
		names = names[:limit]
		next = names[limit-1]
	}
	return names, next, leftOut, err
}

func (f *Folder) page(ctx context.Context, q secret.Query, resolve Resolve) (secret.Page, error) {
	names, next, leftOut, err := f.cut(ctx, q, maxPage)
	if err != nil {
		return secret.Page{}, err
	}
	return kit.ResolvePage(ctx, InFlight, q, names, next, leftOut, func(ctx context.Context, name *secret.Name) (kit.Resolved, error) {
		at, err := f.Locate(*name)
		if err != nil {
			return kit.Resolved{}, err
		}
		r, err := resolve(ctx, at, *name)
		switch {
		case kit.Is(err, secret.NotFound): // it is not, or no longer, there to be seen
			return kit.Resolved{}, nil
		case ofOne(ctx, err):
			return kit.Resolved{LeftOut: &secret.LeftOut{Why: secret.LeftOutUnreadable, Name: *name, Detail: secret.DetailOf(err)}}, nil
		case err != nil:
			return kit.Resolved{}, err
		}
		if r.Secret != nil {
			r.Secret = r.Secret.Only(r.Secret.Current)
		}
		return r, nil
	})
}

// names returns the first names after a given one, sorted by the model's
// spelling, and what was met beside them. Escapes lie in the top folder alone,
// anywhere among the others.
func (f *Folder) names(ctx context.Context, after secret.Name, limit int) ([]secret.Name, []secret.LeftOut, error) {
	top, err := f.entries(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	w := &walk{f: f, after: after, limit: limit}
	for _, entry := range top {
		if name, ok := f.escaped(entry); ok && name > after {
			w.escaped = append(w.escaped, name)
		}
	}
	slices.Sort(w.escaped)
	if err := w.folder(ctx, "", top); err != nil {
		return nil, nil, err
	}
	all := append(w.escaped, w.found...)
	slices.Sort(all)
	return all[:min(limit, len(all))], w.leftOut, nil
}

// escaped is the name of which an entry of the top folder is the escape.
func (f *Folder) escaped(entry string) (secret.Name, bool) {
	name, err := f.Engine.Naming.Decode(entry)
	return name, err == nil && string(name) != entry
}

// walk gathers natural names in order. The entry "a/" of a folder sorts where
// the names in it do, so the order of entries is that of names.
type walk struct {
	f       *Folder
	after   secret.Name
	limit   int
	escaped []secret.Name
	found   []secret.Name
	leftOut []secret.LeftOut
}

func (w *walk) folder(ctx context.Context, path string, entries []string) error {
	for _, entry := range entries {
		if len(w.found) >= w.limit {
			return nil
		}
		full := path + entry
		sub, isFolder := strings.CutSuffix(full, "/")
		if !isFolder {
			w.add(path, entry)
			continue
		}
		passed := string(w.after) > full && !strings.HasPrefix(string(w.after), full)
		switch {
		case passed, entry == CompanionFolder+"/": // the gateway's own
			continue
		case !w.f.Engine.Naming.Natural(sub):
			w.leave(full)
			continue
		}
		inner, err := w.f.entries(ctx, full)
		if ofOne(ctx, err) {
			w.leftOut = append(w.leftOut, secret.LeftOut{Why: secret.LeftOutFolder, Name: secret.Name(full), Detail: secret.DetailOf(err)})
			continue
		}
		if err != nil {
			return err
		}
		if err := w.folder(ctx, full, inner); err != nil {
			return err
		}
	}
	return nil
}

// add takes a name that native tools, or we, gave.
func (w *walk) add(path, entry string) {
	full := path + entry
	name, err := w.f.Engine.Naming.Decode(full)
	switch {
	case err == nil && string(name) == full:
		if name > w.after {
			w.found = append(w.found, name)
		}
	case err == nil && path == "": // an escape
	case entry == CompanionFolder: // nothing that a gateway made, and no name of anybody's
	default:
		w.leave(full)
	}
}

// leave notes what the model cannot spell.
func (w *walk) leave(full string) {
	w.leftOut = append(w.leftOut, secret.LeftOut{Why: secret.LeftOutName, Native: full})
}

// ofOne reports whether err is about one folder or secret. A token that is none
// is about all.
func ofOne(ctx context.Context, err error) bool {
	resp, answered := errors.AsType[*api.ResponseError](err)
	if answered && kit.Is(err, secret.Upstream) {
		return resp.StatusCode == http.StatusForbidden && !refuses(err, "invalid token") && !refuses(err, noRoute) && !errors.Is(err, kit.ErrDeadCredential)
	}
	return kit.OfOne(ctx, err)
}
