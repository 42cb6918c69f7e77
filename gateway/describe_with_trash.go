package gateway

import (
	"context"
	"errors"

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
