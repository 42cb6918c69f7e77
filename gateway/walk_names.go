package gateway

import (
	"context"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// WalkNames shows see every name in the store, live or in the trash: for APIs
// that name secrets by an id of their own. It asks nobody about the names: MayName
// does, and the operation on one: a name may be of what no reader finds. It writes no audit line, for it is a part of
// one that does. A name may be seen twice. It costs a list of the whole store, so
// callers must bound how often they ask.
func (s *Service) WalkNames(ctx context.Context, c Call, name string, see func(secret.Name)) error {
	st, ok := s.stores[name]
	if !ok {
		return secret.Errorf(secret.NotFound, "no such store")
	}
	ctx, cancel := context.WithTimeout(ctx, st.Timeout)
	defer cancel()
	if err := st.slots.Acquire(ctx, 1); err != nil {
		return waiting(err)
	}
	defer st.slots.Release(1)
	ctx, _ = backends.WithCallCount(ctx)
	j := &job{store: st, call: c, action: access.List}
	_, err := retry(ctx, j, func(ctx context.Context, j *job) (struct{}, error) {
		for q := (secret.Query{WithTrash: true, NamesAlone: true}); ; {
			page, err := j.Backend.List(ctx, q)
			if err != nil {
				return struct{}{}, err
			}
			for _, sec := range page.Secrets {
				see(sec.Name)
			}
			if q.After = page.Next; page.Next == "" {
				return struct{}{}, nil
			}
		}
	})
	return err
}

// MayName reports whether the caller may do the action to the name.
func (s *Service) MayName(c access.Caller, a access.Action, r Ref) bool {
	st, ok := s.stores[r.Store]
	return ok && s.policy.Allow(c, a, access.Target{Store: r.Store, Name: r.Name, FoldCase: st.caps.FoldsCase})
}

// IDKey is the key for ids of one kind that clients keep: see backup.Keyring.
func (s *Service) IDKey(kind string) []byte { return s.keys.IDKey(kind) }
