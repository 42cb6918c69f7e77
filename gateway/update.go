package gateway

import (
	"context"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// Update changes attributes of the version that sel picks, and of its secret.
// The answer holds that one version, without its value. Action: update.
func (s *Service) Update(ctx context.Context, c Call, r Ref, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	return run(ctx, s, c, access.Update, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		if err := s.beforeWrite(ctx, j, hook.Intent{Patch: &p}); err != nil {
			return nil, err
		}
		sec, err := j.Backend.Update(ctx, r.Name, sel, p)
		if err != nil {
			return nil, err
		}
		j.sawVersions(sec)
		s.afterWrite(ctx, j, hook.Update, sec)
		return sec, nil
	})
}

// Change is what an edit makes of a secret.
type Change struct {
	Of    secret.Selector
	Patch secret.Patch
}

// Edit is Update where the change depends on what stands: plan sees the secret
// without values. A plan of nil changes nothing, and Edit returns the secret as
// it stands; an error of plan stops the edit. See decide for those who write at the
// same time. Action: update.
func (s *Service) Edit(ctx context.Context, c Call, r Ref, plan func(*secret.Secret) (*Change, error)) (*secret.Secret, error) {
	return run(ctx, s, c, access.Update, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		return decide(ctx, s, j, func(have *secret.Secret, only secret.Mark) (*secret.Secret, error) {
			change, err := plan(have)
			if err != nil || change == nil {
				return have, err
			}
			change.Patch.If = only
			if err := s.beforeWrite(ctx, j, hook.Intent{Secret: have, Patch: &change.Patch}); err != nil {
				return nil, err
			}
			sec, err := j.Backend.Update(ctx, r.Name, change.Of, change.Patch)
			if err != nil {
				return nil, err
			}
			j.sawVersions(sec)
			s.afterWrite(ctx, j, hook.Update, sec)
			return sec, nil
		})
	})
}
