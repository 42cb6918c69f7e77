package gateway

import (
	"context"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Get returns the secret's attributes and the one version that sel picks,
// with its value. A disabled version, and one without a value, are refused.
// checks see what is left; an error of theirs takes the place of the answer.
// Action: get.
func (s *Service) Get(ctx context.Context, c Call, r Ref, sel secret.Selector, checks ...func(*secret.Secret) error) (*secret.Secret, error) {
	return run(ctx, s, c, access.Get, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		sec, err := j.Backend.Get(ctx, r.Name, sel)
		if err != nil {
			return nil, err
		}
		j.sawVersions(sec)
		switch v := sec.Newest(); {
		case v == nil:
			return nil, &secret.Error{Kind: secret.NotFound, Name: r.Name, Detail: "no such version"}
		case v.Disabled || v.Missing == secret.Unreadable:
			return nil, &secret.Error{Kind: secret.Disabled, Name: r.Name, Detail: "the version is disabled"}
		case v.Value.IsNone():
			return nil, &secret.Error{Kind: secret.NotFound, Name: r.Name, Detail: "the version's value is gone"}
		}
		for _, check := range checks {
			if err := check(sec); err != nil {
				return nil, err
			}
		}
		return sec, nil
	})
}

// Describe returns the secret with all versions, without values. Action: list.
func (s *Service) Describe(ctx context.Context, c Call, r Ref) (*secret.Secret, error) {
	return run(ctx, s, c, access.List, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		return j.Backend.Describe(ctx, r.Name)
	})
}
