package gateway

import (
	"context"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// List returns a page of the secrets that the caller may list, as many as
// q.Limit asks for unless there are no more. What is in the trash is among
// them where the query wants it, until its time is over. Action: list.
func (s *Service) List(ctx context.Context, c Call, name string, q secret.Query) (secret.Page, error) {
	return run(ctx, s, c, access.List, Ref{Store: name}, func(ctx context.Context, j *job) (secret.Page, error) {
		now := s.now()
		page, err := fill(ctx, q, j.Backend.List, func(sec *secret.Secret) bool { return j.allowed(sec.Name) && !sec.Deleted.Over(now) })
		page.LeftOut = j.leftOut(page.LeftOut)
		return page, err
	})
}

type lister func(context.Context, secret.Query) (secret.Page, error)

// fill reads pages until as many secrets that keep wants are found as the
// query asks for, or there are no more.
func fill(ctx context.Context, q secret.Query, list lister, keep func(*secret.Secret) bool) (out secret.Page, _ error) {
	defer func() { // what is beyond the page is told with the next one
		out.LeftOut = slices.DeleteFunc(out.LeftOut, func(l secret.LeftOut) bool { return l.Beyond(out.Next) })
	}()
	ask := q
	ask.After = max(q.After, q.Under)
	for {
		page, err := list(ctx, ask)
		if err != nil {
			return secret.Page{}, err
		}
		out.LeftOut = append(out.LeftOut, under(q, page.LeftOut)...)
		for _, sec := range page.Secrets {
			switch {
			case !strings.HasPrefix(string(sec.Name), string(q.Under)): // sorted: nothing under it follows
				out.Next = ""
				return out, nil
			case !keep(sec):
			case q.Limit > 0 && len(out.Secrets) == q.Limit:
				out.Next = out.Secrets[q.Limit-1].Name
				return out, nil
			default:
				out.Secrets = append(out.Secrets, sec)
			}
		}
		out.Next = page.Next
		if page.Next == "" || len(out.Secrets) >= max(q.Limit, 1) {
			err = endWithFolder(ctx, q, list, &out)
			return out, err
		}
		ask.After = page.Next // whole pages again: the rest of one may cost as many calls
	}
}

// under is what of all is about the names that q asks for.
func under(q secret.Query, all []secret.LeftOut) []secret.LeftOut {
	return slices.DeleteFunc(all, func(l secret.LeftOut) bool { return !l.Under(q) })
}

// endWithFolder makes page the last one where nothing that follows it is in the
// folder: what a folder's clients see tells nothing of the names behind it.
func endWithFolder(ctx context.Context, q secret.Query, list lister, page *secret.Page) error {
	if q.Under == "" || page.Next == "" {
		return nil
	}
	next, err := list(ctx, secret.Query{After: page.Next, Limit: 1, Under: q.Under, WithTrash: q.WithTrash})
	if err != nil {
		return err
	}
	ends := next.Next == ""
	if len(next.Secrets) > 0 {
		ends = !strings.HasPrefix(string(next.Secrets[0].Name), string(q.Under))
	}
	if ends {
		page.Next = ""
		page.LeftOut = append(page.LeftOut, under(q, next.LeftOut)...)
	}
	return nil
}

// FindName returns the first name in the store, live or in the trash, that is
// wanted: for APIs that name secrets by an id of their own. It asks nobody
// about the name that it finds: the operation on it does. It writes no audit
// line, for it is a part of one that does. Kinds: NotFound; Denied, where the
// caller may do the action to nothing in the store.
func (s *Service) FindName(ctx context.Context, c Call, name string, a access.Action, wanted func(secret.Name) bool) (secret.Name, error) {
	st, ok := s.stores[name]
	if !ok {
		return "", secret.Errorf(secret.NotFound, "no such store")
	}
	if !s.policy.AllowSome(c.Caller, a, name) {
		return "", secret.Errorf(secret.Denied, "no permission to %s in this store", a)
	}
	ctx, cancel := context.WithTimeout(ctx, st.Timeout)
	defer cancel()
	if err := st.slots.Acquire(ctx, 1); err != nil {
		return "", waiting(err)
	}
	defer st.slots.Release(1)
	ctx, _ = backends.WithCallCount(ctx)
	j := &job{store: st, call: c, action: access.List}
	return retry(ctx, j, func(ctx context.Context, j *job) (secret.Name, error) {
		for q := (secret.Query{WithTrash: true}); ; {
			page, err := j.Backend.List(ctx, q)
			if err != nil {
				return "", err
			}
			for _, sec := range page.Secrets {
				if wanted(sec.Name) {
					return sec.Name, nil
				}
			}
			if q.After = page.Next; page.Next == "" {
				return "", secret.Errorf(secret.NotFound, "no secret has this id")
			}
		}
	})
}
