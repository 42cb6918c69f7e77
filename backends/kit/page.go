package kit

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// JoinPages makes one page of two that begin at the same name. What lies beyond the
// end of either belongs to a later page; of a secret that moved between the two
// while they were read, the one in a counts.
func JoinPages(limit int, a, b secret.Page) secret.Page {
	out := secret.Page{Secrets: slices.Concat(a.Secrets, b.Secrets), Next: a.Next, LeftOut: slices.Concat(a.LeftOut, b.LeftOut)}
	if out.Next == "" || (b.Next != "" && b.Next < out.Next) {
		out.Next = b.Next
	}
	slices.SortStableFunc(out.Secrets, func(x, y *secret.Secret) int { return cmp.Compare(x.Name, y.Name) })
	out.Secrets = slices.CompactFunc(out.Secrets, func(x, y *secret.Secret) bool { return x.Name == y.Name })
	if out.Next != "" {
		out.Secrets = slices.DeleteFunc(out.Secrets, func(x *secret.Secret) bool { return x.Name > out.Next })
	}
	if limit > 0 && len(out.Secrets) > limit {
		out.Secrets = out.Secrets[:limit]
		out.Next = out.Secrets[limit-1].Name
	}
	out.LeftOut = slices.DeleteFunc(out.LeftOut, func(l secret.LeftOut) bool { return l.Beyond(out.Next) })
	return out
}

// Resolved is what a name of a list turned out to be: a secret, something to be
// left out, or, with neither, nothing that is there any more.
type Resolved struct {
	Secret  *secret.Secret
	LeftOut *secret.LeftOut
}

// ResolvePage is the page that answers q, of the names in cut, which ends at
// next. It resolves at most n at once.
func ResolvePage[T any](ctx context.Context, n int, q secret.Query, cut []T, next secret.Name, leftOut []secret.LeftOut,
	resolve func(context.Context, *T) (Resolved, error),
) (secret.Page, error) {
	all, err := Gather(ctx, n, cut, func(ctx context.Context, t *T) (*Resolved, error) {
		r, err := resolve(ctx, t)
		return &r, err
	})
	if err != nil {
		return secret.Page{}, err
	}
	p := secret.Page{Next: next}
	for i := range leftOut {
		if leftOut[i].On(q, next) {
			p.LeftOut = append(p.LeftOut, leftOut[i])
		}
	}
	for _, r := range all {
		if r.Secret != nil {
			p.Secrets = append(p.Secrets, r.Secret)
		}
		if r.LeftOut != nil {
			p.LeftOut = append(p.LeftOut, *r.LeftOut)
		}
	}
	return p, nil
}

// OfOne reports whether err is about one secret or folder, and no reason to
// expect the same of its neighbours: it must not end a list.
func OfOne(ctx context.Context, err error) bool {
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, ErrDeadCredential):
		return false
	case errors.Is(err, ErrMalformed):
		return true
	case Is(err, secret.Upstream): // unless the credentials are no good at all
		a, answered := errors.AsType[*Answer](err)
		return answered && a.Status != http.StatusUnauthorized
	}
	return !Is(err, secret.Unavailable, secret.Throttled)
}

// PageOf sorts what a store holds and cuts one page out of it, limit long where
// the query has no limit of its own.
func PageOf(q secret.Query, all []*secret.Secret, limit int) secret.Page {
	slices.SortFunc(all, func(a, b *secret.Secret) int { return cmp.Compare(a.Name, b.Name) })
	from, found := slices.BinarySearchFunc(all, q.After, func(s *secret.Secret, n secret.Name) int { return cmp.Compare(s.Name, n) })
	if found {
		from++
	}
	if q.Limit > 0 {
		limit = q.Limit
	}
	p := secret.Page{Secrets: all[from:min(from+limit, len(all))]}
	if from+limit < len(all) {
		p.Next = p.Secrets[limit-1].Name
	}
	return p
}
