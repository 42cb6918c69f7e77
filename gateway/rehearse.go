package gateway

import (
	"context"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Rehearse is the dry run of an action on one secret: it refuses whom the
// action would refuse, changes nothing, and returns the secret as it stands,
// without values. One that is not live comes from the trash, Deleted set.
// Actions: list, and a.
func (s *Service) Rehearse(ctx context.Context, c Call, a access.Action, r Ref) (*secret.Secret, error) {
	return run(ctx, s, c, access.List, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		j.entry.DryRun = true
		if err := s.authorise(s.newJob(j.store, c, a, r)); err != nil {
			return nil, err
		}
		return s.describeWithTrash(ctx, j)
	})
}
