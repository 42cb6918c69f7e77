package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Look is Describe for APIs that show what is in the trash among what is live:
// a secret that is not live is returned from there, Deleted set. check, if not
// nil, sees it; its error takes the place of the answer. Action: list.
func (s *Service) Look(ctx context.Context, c Call, r Ref, check func(*secret.Secret) error) (*secret.Secret, error) {
	return run(ctx, s, c, access.List, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		sec, err := s.look(ctx, j)
		if err == nil && check != nil {
			err = check(sec)
		}
		return sec, err
	})
}

func (s *Service) look(ctx context.Context, j *job) (*secret.Secret, error) {
	sec, err := j.Backend.Describe(ctx, j.ref.Name)
	if !errors.Is(err, secret.NotFound) {
		return sec, err
	}
	gone, goneErr := s.recoverable(ctx, j)
	if errors.Is(goneErr, secret.NotFound) {
		return nil, err
	}
	return gone, goneErr
}

// ListAll is List for such APIs: what is live and what is in the trash, in one
// order. Action: list.
func (s *Service) ListAll(ctx context.Context, c Call, name string, q secret.Query) (secret.Page, error) {
	return run(ctx, s, c, access.List, Ref{Store: name}, func(ctx context.Context, j *job) (secret.Page, error) {
		live, err := fill(ctx, q, j.Backend.List, func(sec *secret.Secret) bool { return j.allowed(sec.Name) })
		if err != nil {
			return secret.Page{}, err
		}
		gone, err := fill(ctx, q, j.Backend.ListTrash, s.listed(j))
		if err != nil {
			return secret.Page{}, err
		}
		return merge(q.Limit, live, gone), nil
	})
}

// listed picks of the trash what the caller may list and could bring back.
func (s *Service) listed(j *job) func(*secret.Secret) bool {
	now := s.now()
	return func(sec *secret.Secret) bool {
		return j.allowed(sec.Name) && sec.Deleted != nil && !sec.Deleted.Over(now)
	}
}

// merge makes one page of two that begin at the same name. What lies beyond
// the end of either belongs to a later page.
func merge(limit int, a, b secret.Page) secret.Page {
	out := secret.Page{Secrets: slices.Concat(a.Secrets, b.Secrets), Next: a.Next}
	if out.Next == "" || (b.Next != "" && b.Next < out.Next) {
		out.Next = b.Next
	}
	slices.SortStableFunc(out.Secrets, func(x, y *secret.Secret) int { return cmp.Compare(x.Name, y.Name) })
	// A secret that moved between the two lists is in both: what was read last counts.
	out.Secrets = slices.CompactFunc(out.Secrets, func(x, y *secret.Secret) bool { return x.Name == y.Name })
	if out.Next != "" {
		end, _ := slices.BinarySearchFunc(out.Secrets, out.Next, func(x *secret.Secret, n secret.Name) int { return cmp.Compare(x.Name, n) })
		if end < len(out.Secrets) && out.Secrets[end].Name == out.Next {
			end++
		}
		out.Secrets = out.Secrets[:end]
	}
	if limit > 0 && len(out.Secrets) > limit {
		out.Secrets = out.Secrets[:limit]
		out.Next = out.Secrets[limit-1].Name
	}
	return out
}

// Find returns the first name in the store, live or in the trash, that is
// wanted: for APIs that name secrets by an id of their own. It asks nobody
// about the name that it finds: the operation on it does. It writes no audit
// line, for it is a part of one that does. Kinds: NotFound; Denied, where the
// caller may do the action to nothing in the store.
func (s *Service) Find(ctx context.Context, c Call, name string, a access.Action, wanted func(secret.Name) bool) (secret.Name, error) {
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
	ctx, _ = backends.WithMeter(ctx)
	j := &job{store: st, call: c, action: access.List}
	return retry(ctx, j, func(ctx context.Context, j *job) (secret.Name, error) {
		for _, list := range []lister{j.Backend.List, j.Backend.ListTrash} {
			if n, err := find(ctx, list, wanted); n != "" || err != nil {
				return n, err
			}
		}
		return "", secret.Errorf(secret.NotFound, "no secret has this id")
	})
}

type lister func(context.Context, secret.Query) (secret.Page, error)

func find(ctx context.Context, list lister, wanted func(secret.Name) bool) (secret.Name, error) {
	for q := (secret.Query{}); ; {
		page, err := list(ctx, q)
		if err != nil {
			return "", err
		}
		for _, sec := range page.Secrets {
			if wanted(sec.Name) {
				return sec.Name, nil
			}
		}
		if q.After = page.Next; page.Next == "" {
			return "", nil
		}
	}
}
