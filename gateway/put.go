package gateway

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// Put adds a version; see backends.Backend. Draft.OnlyIfAbsent makes it a
// creation. Action: set.
func (s *Service) Put(ctx context.Context, c Call, r Ref, d secret.Draft) (*secret.Secret, error) {
	return run(ctx, s, c, access.Set, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		return s.put(ctx, j, d)
	})
}

// Append is Put where the secret must exist already: else NotFound. prepare,
// if not nil, sees the secret as it stands, without values, and may complete
// the draft; its error stops the write. See decide for those who write at the same
// time. Action: set.
func (s *Service) Append(ctx context.Context, c Call, r Ref, d secret.Draft, prepare func(*secret.Secret, *secret.Draft) error) (*secret.Secret, error) {
	return run(ctx, s, c, access.Set, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		return decide(ctx, s, j, func(have *secret.Secret, only secret.Mark) (*secret.Secret, error) {
			d := d // prepared anew each time it is tried
			if prepare != nil {
				if err := prepare(have, &d); err != nil {
					return nil, err
				}
			}
			d.If = only
			return s.put(ctx, j, d)
		})
	})
}

func (s *Service) put(ctx context.Context, j *job, d secret.Draft) (*secret.Secret, error) {
	if most := j.caps.MaxValue; most > 0 && d.Value.Len() > most {
		return nil, secret.Errorf(secret.TooLarge, "the value is larger than the %d bytes that %s holds", most, j.caps.Product)
	}
	if err := s.beforeWrite(ctx, j, hook.Intent{OfSecret: d.OfSecret, MergeExtra: d.MergeExtra}); err != nil {
		return nil, err
	}
	ctx = j.asked(ctx)
	sec, err := s.findUnknownWrite(ctx, j, d)
	switch {
	case err != nil:
		return nil, err
	case sec != nil:
		j.sawVersions(sec)
		s.afterWrite(ctx, j, hook.Put, sec)
		return sec, nil
	}
	if err := s.archiveDisplaced(ctx, j, &d); err != nil {
		return nil, err
	}
	uid := chooseUID(j, &d)
	sec, err = s.putVersion(ctx, j, d)
	if errors.Is(err, secret.Trashed) && s.purgeExpired(ctx, j, j.ref.Name) {
		sec, err = s.putVersion(ctx, j, d)
	}
	s.unknown.remember(j, uid, err)
	if err != nil {
		return nil, err
	}
	j.sawVersions(sec)
	s.afterWrite(ctx, j, hook.Put, sec)
	return sec, nil
}
