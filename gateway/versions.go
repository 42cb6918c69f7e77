package gateway

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// VersionPage is one page of a secret's versions, without values.
type VersionPage struct {
	Secret *secret.Secret // with the versions of the page, oldest first
	More   bool           // others follow in the order of the page
}

// Versions is Describe, page by page. A page goes on from any place: a version
// that is gone meanwhile, and the page of another gateway. Action: list.
func (s *Service) Versions(ctx context.Context, c Call, r Ref, p secret.Part) (VersionPage, error) {
	return run(ctx, s, c, access.List, r, func(ctx context.Context, j *job) (VersionPage, error) {
		return s.pageOfVersions(ctx, j, p)
	})
}

// VersionsWithTrash is Versions for APIs that show what is in the trash among
// what is live: see DescribeWithTrash. Action: list.
func (s *Service) VersionsWithTrash(ctx context.Context, c Call, r Ref, p secret.Part) (VersionPage, error) {
	return run(ctx, s, c, access.List, r, func(ctx context.Context, j *job) (VersionPage, error) {
		page, err := s.pageOfVersions(ctx, j, p)
		if !errors.Is(err, secret.NotFound) {
			return page, err
		}
		p.InTrash = true
		gone, goneErr := s.pageOfVersions(ctx, j, p)
		if errors.Is(goneErr, secret.NotFound) {
			return page, err
		}
		return gone, goneErr
	})
}

// pageOfVersions asks for one version more than the page holds, to know whether
// more follow.
func (s *Service) pageOfVersions(ctx context.Context, j *job, p secret.Part) (VersionPage, error) {
	ask := p
	if p.Limit > 0 {
		ask.Limit++
	}
	sec, err := s.describePart(ctx, j, ask)
	if err == nil && p.InTrash {
		err = s.checkNotOver(j, sec)
	}
	if err != nil {
		return VersionPage{}, err
	}
	more := p.Cut(sec)
	return VersionPage{sec, more}, nil
}

// describePart reads all versions where the product does so anyway, and holds them
// for the next page.
func (s *Service) describePart(ctx context.Context, j *job, p secret.Part) (*secret.Secret, error) {
	if j.pager != nil {
		return j.pager.DescribePart(ctx, j.ref.Name, p)
	}
	key, now := versionsKey{j.store.opened, j.Name, j.ref.Name, p.InTrash}, s.now()
	whole, writes := s.versions.find(key, now)
	if whole == nil || isStart(p.After) {
		var err error
		if whole, err = j.describe(ctx, p.InTrash); err != nil {
			return nil, err
		}
		if p.Limit > 0 && len(whole.Versions) >= p.Limit {
			s.versions.keep(key, now, whole, writes)
		}
	}
	return p.Of(whole).Clone(), nil
}

func isStart(place secret.Selector) bool { return place.Ordinal <= 0 && place.UID.IsZero() }

func (j *job) describe(ctx context.Context, inTrash bool) (*secret.Secret, error) {
	if inTrash {
		return j.Backend.DescribeTrash(ctx, j.ref.Name)
	}
	return j.Backend.Describe(ctx, j.ref.Name)
}
