package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// Delete moves the secret to the trash for the store's retention. Action:
// delete.
func (s *Service) Delete(ctx context.Context, c Call, r Ref) (*secret.Secret, error) {
	return s.Schedule(ctx, c, r, 0)
}

// Schedule is Delete with a time of the caller's own to recover, in days; zero:
// the store's. In a store with purge protection it is never shorter than the
// store's. A product that decides itself says its own date. Action: delete.
func (s *Service) Schedule(ctx context.Context, c Call, r Ref, days int) (*secret.Secret, error) {
	return changeTrash(ctx, s, c, access.Delete, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		days := days
		if days == 0 || (j.PurgeProtection && days < j.RetentionDays) {
			days = j.RetentionDays
		}
		purge := s.now().UTC().AddDate(0, 0, days)
		sec, err := s.once(ctx, j, func(ctx context.Context) (*secret.Secret, error) { return j.Backend.Delete(ctx, r.Name, purge) },
			func() (*secret.Secret, error) { return j.Backend.DescribeTrash(ctx, r.Name) })
		if err == nil {
			s.afterWrite(ctx, j, hook.Delete, sec)
		}
		return sec, err
	})
}

// Destroy deletes a secret for ever, a deleted one too. Where it is deleted and
// then cannot be purged, Partial says so, and the same call again completes it.
// Actions: delete and purge.
func (s *Service) Destroy(ctx context.Context, c Call, r Ref) error {
	_, err := changeTrash(ctx, s, c, access.Delete, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		switch {
		case !s.policy.Allow(c.Caller, access.Purge, j.target(r.Name)):
			return nil, &secret.Error{Kind: secret.Denied, Name: r.Name, Detail: "no permission to purge this secret"}
		case j.PurgeProtection:
			return nil, &secret.Error{Kind: secret.Denied, Name: r.Name, Detail: PurgeProtected}
		}
		return s.once(ctx, j, func(ctx context.Context) (*secret.Secret, error) { return s.destroy(ctx, j) },
			func() (*secret.Secret, error) { return nil, nil }) // gone, as was asked
	})
	return err
}

func (s *Service) destroy(ctx context.Context, j *job) (*secret.Secret, error) {
	sec, err := j.Backend.Delete(ctx, j.ref.Name, s.now().UTC().AddDate(0, 0, j.RetentionDays))
	switch {
	case err == nil:
		s.afterWrite(ctx, j, hook.Delete, sec)
	case errors.Is(err, secret.NotFound):
		sec, err = s.recoverable(ctx, j)
	}
	if err != nil {
		return nil, err
	}
	err = s.purgeAudited(ctx, j, sec)
	switch {
	case err == nil, errors.Is(err, secret.NotFound):
		return sec, nil
	case errors.Is(err, secret.Unknown):
		return nil, err
	}
	return nil, &secret.Error{
		Kind: secret.Partial, Name: j.ref.Name, Err: secret.Cause(err),
		Detail: "the secret is deleted and can be recovered: the same call again removes it for ever",
	}
}

// DescribeTrash returns a deleted secret with all versions, without values.
// One whose time is over is NotFound. Action: list.
func (s *Service) DescribeTrash(ctx context.Context, c Call, r Ref) (*secret.Secret, error) {
	return withTrash(ctx, s, c, access.List, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		return s.recoverable(ctx, j)
	})
}

// Recover brings a deleted secret back as it was. Action: recover.
func (s *Service) Recover(ctx context.Context, c Call, r Ref) (*secret.Secret, error) {
	return changeTrash(ctx, s, c, access.Recover, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		sec, err := s.once(ctx, j, func(ctx context.Context) (*secret.Secret, error) {
			if _, err := s.recoverable(ctx, j); err != nil {
				return nil, err
			}
			sec, err := j.Backend.Recover(ctx, r.Name)
			if err == nil {
				s.afterWrite(ctx, j, hook.Recover, sec)
			}
			if errors.Is(err, secret.NotFound) { // it was there: the request came twice, or another's came first
				if live, liveErr := j.Backend.Describe(ctx, r.Name); liveErr == nil {
					return live, nil
				}
			}
			return sec, err
		}, func() (*secret.Secret, error) { return j.Backend.Describe(ctx, r.Name) })
		if c.TellTrash && errors.Is(err, secret.NotFound) {
			if _, live := j.Backend.Describe(ctx, r.Name); live == nil {
				err = &secret.Error{Kind: secret.AlreadyExists, Name: r.Name, Detail: "the secret is not deleted"}
			}
		}
		return sec, err
	})
}

// Purge removes a deleted secret for ever. A store with purge protection
// keeps it until its time is over. Action: purge.
func (s *Service) Purge(ctx context.Context, c Call, r Ref) error {
	_, err := changeTrash(ctx, s, c, access.Purge, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		return s.once(ctx, j, func(ctx context.Context) (*secret.Secret, error) {
			sec, err := s.recoverable(ctx, j)
			if err != nil {
				return nil, err
			}
			if j.PurgeProtection {
				return nil, &secret.Error{Kind: secret.Denied, Name: r.Name, Detail: PurgeProtected}
			}
			if err = j.purge(ctx, sec); err == nil {
				s.afterWrite(ctx, j, hook.Purge, sec)
			}
			if errors.Is(err, secret.NotFound) && j.purger == nil { // likewise, unless it was recovered
				if _, liveErr := j.Backend.Describe(ctx, r.Name); errors.Is(liveErr, secret.NotFound) {
					err = nil
				}
			}
			return sec, err
		}, func() (*secret.Secret, error) { return nil, nil }) // gone, as was asked
	})
	return err
}

// PurgeProtected is the Detail of a Denied purge in a store that protects.
const PurgeProtected = "purge protection is enabled for this store"

// ListTrash returns a page of deleted secrets that the caller may list, less
// those whose time is over. Action: list.
func (s *Service) ListTrash(ctx context.Context, c Call, name string, q secret.Query) (secret.Page, error) {
	return run(ctx, s, c, access.List, Ref{Store: name}, func(ctx context.Context, j *job) (secret.Page, error) {
		now := s.now()
		page, err := fill(ctx, q, j.reach(), j.Backend.ListTrash, func(sec *secret.Secret) bool {
			return j.allowed(sec.Name) && sec.Deleted != nil && !sec.Deleted.Over(now)
		})
		page.LeftOut = j.leftOut(page.LeftOut)
		return page, err
	})
}

// Swept is what a sweep did.
type Swept struct {
	Names []secret.Name // that were purged, or would be
	// LeftOut is where something deleted may be that could not be listed.
	LeftOut []secret.LeftOut
}

// Sweep purges what is over in a store, of the names that the caller may list. It
// goes on past a name that fails and returns the first error; one that somebody
// else has purged or brought back meanwhile is none. Action: purge, for each.
func (s *Service) Sweep(ctx context.Context, c Call, name string, dryRun bool) (Swept, error) {
	over, err := s.listOver(ctx, c, name)
	if err != nil || dryRun {
		return over, err
	}
	var first error
	gone := Swept{LeftOut: over.LeftOut}
	for i, n := range over.Names {
		if ctx.Err() != nil {
			return gone, errors.Join(first, ctx.Err())
		}
		switch err := s.sweepOne(ctx, c, Ref{Store: name, Name: n}); {
		case err == nil:
			gone.Names = append(gone.Names, n)
		case errors.Is(err, kit.ErrDeadCredential): // no other name would fare better
			return gone, &secret.Error{Kind: secret.KindOf(err), Detail: fmt.Sprintf("%s; not tried: %d", secret.DetailOf(err), len(over.Names)-i-1), Err: secret.Cause(err)}
		case first == nil && !errors.Is(err, secret.NotFound):
			first = err
		}
	}
	return gone, first
}

// listOver lists what a sweep is to purge.
func (s *Service) listOver(ctx context.Context, c Call, name string) (Swept, error) {
	return run(ctx, s, c, access.List, Ref{Store: name}, func(ctx context.Context, j *job) (Swept, error) {
		var over Swept
		for q := (secret.Query{}); ; {
			page, err := j.Backend.ListTrash(ctx, q)
			if err != nil {
				return Swept{}, err
			}
			for _, sec := range page.Secrets {
				if j.allowed(sec.Name) && sec.Deleted != nil && sec.Deleted.Over(s.now()) {
					over.Names = append(over.Names, sec.Name)
				}
			}
			over.LeftOut = append(over.LeftOut, page.LeftOut...)
			if q.After = page.Next; page.Next == "" {
				over.LeftOut = j.leftOut(over.LeftOut)
				return over, nil
			}
		}
	})
}

// sweepOne purges a name that was over when it was listed, if it still is.
func (s *Service) sweepOne(ctx context.Context, c Call, r Ref) error {
	_, err := changeTrash(ctx, s, c, access.Purge, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		sec, err := j.Backend.DescribeTrash(ctx, r.Name)
		if err == nil && !sec.Deleted.Over(s.now()) {
			err = &secret.Error{Kind: secret.NotFound, Name: r.Name, Detail: "the deleted secret is no longer due"}
		}
		if err != nil {
			return nil, err
		}
		if err = j.purge(ctx, sec); err == nil {
			s.afterWrite(ctx, j, hook.Purge, sec)
		}
		return sec, err
	})
	return err
}

// recoverable describes the name in the trash, unless its time is over: then
// it is as good as gone.
func (s *Service) recoverable(ctx context.Context, j *job) (*secret.Secret, error) {
	sec, err := j.Backend.DescribeTrash(ctx, j.ref.Name)
	if err == nil {
		err = s.checkNotOver(j, sec)
	}
	if err != nil {
		return nil, err
	}
	return sec, nil
}

func (s *Service) checkNotOver(j *job, sec *secret.Secret) error {
	if sec.Deleted.Over(s.now()) {
		return &secret.Error{Kind: secret.NotFound, Name: j.ref.Name, Detail: "no such deleted secret"}
	}
	return nil
}

// heldByTrash returns Trashed where a name that is not live is not free. Whose
// time is over holds it only for who would purge nothing.
func (s *Service) heldByTrash(ctx context.Context, j *job, name secret.Name, overToo bool) error {
	switch sec, err := j.Backend.DescribeTrash(ctx, name); {
	case errors.Is(err, secret.NotFound):
		return nil
	case err != nil:
		return err
	case sec.Deleted.Over(s.now()) && !overToo:
		return nil
	}
	return &secret.Error{Kind: secret.Trashed, Name: name}
}

// tellTrash tells what is in the trash from what is not there at all, where
// the call wants to know.
func (s *Service) tellTrash(ctx context.Context, j *job, err error) error {
	if !j.call.TellTrash || j.ref.Name == "" || !errors.Is(err, secret.NotFound) {
		return err
	}
	if held := s.heldByTrash(ctx, j, j.ref.Name, false); held != nil {
		return held
	}
	return err
}
