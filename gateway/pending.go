package gateway

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// DescribeWithTrash is Describe for APIs that show what is in the trash among
// what is live: a secret that is not live is returned from there, Deleted set.
// check, if not nil, sees it; its error takes the place of the answer. Action:
// list.
func (s *Service) DescribeWithTrash(ctx context.Context, c Call, r Ref, check func(*secret.Secret) error) (*secret.Secret, error) {
	return run(ctx, s, c, access.List, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		sec, err := s.describeWithTrash(ctx, j)
		if err == nil && check != nil {
			err = check(sec)
		}
		return sec, err
	})
}

func (s *Service) describeWithTrash(ctx context.Context, j *job) (*secret.Secret, error) {
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

type lister func(context.Context, secret.Query) (secret.Page, error)
