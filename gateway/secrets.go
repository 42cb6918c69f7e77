package gateway

import (
	"context"
	"errors"
	"strings"

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
// the draft; its error stops the write. Appends and edits of one name wait for
// each other in this gateway; other writers may come between. Action: set.
func (s *Service) Append(ctx context.Context, c Call, r Ref, d secret.Draft, prepare func(*secret.Secret, *secret.Draft) error) (*secret.Secret, error) {
	return run(ctx, s, c, access.Set, r, func(ctx context.Context, j *job) (*secret.Secret, error) {
		release, err := j.edits.Lock(ctx, r.Name)
		if err != nil {
			return nil, err
		}
		defer release()
		have, err := j.Backend.Describe(ctx, r.Name)
		if err != nil {
			return nil, err
		}
		d := d // prepared anew each time it is tried
		if prepare != nil {
			if err := prepare(have, &d); err != nil {
				return nil, err
			}
		}
		return s.put(ctx, j, d)
	})
}

func (s *Service) put(ctx context.Context, j *job, d secret.Draft) (*secret.Secret, error) {
	if most := j.caps.MaxValue; most > 0 && d.Value.Len() > most {
		return nil, secret.Errorf(secret.TooLarge, "the value is larger than the %d bytes that %s holds", most, j.caps.Product)
	}
	if err := s.beforeWrite(ctx, j, hook.Intent{OfSecret: d.OfSecret, MergeExtra: d.MergeExtra}); err != nil {
		return nil, err
	}
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
	sec, err = j.Backend.Put(ctx, j.ref.Name, d)
	if errors.Is(err, secret.Trashed) && s.purgeExpired(ctx, j, j.ref.Name) {
		sec, err = j.Backend.Put(ctx, j.ref.Name, d)
	}
	s.unknown.remember(j, uid, err)
	if err != nil {
		return nil, err
	}
	j.sawVersions(sec)
	s.afterWrite(ctx, j, hook.Put, sec)
	return sec, nil
}

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

// List returns a page of the secrets that the caller may list, as many as
// q.Limit asks for unless there are no more. What is in the trash is among
// them where the query wants it, until its time is over. Action: list.
func (s *Service) List(ctx context.Context, c Call, name string, q secret.Query) (secret.Page, error) {
	return run(ctx, s, c, access.List, Ref{Store: name}, func(ctx context.Context, j *job) (secret.Page, error) {
		now := s.now()
		return fill(ctx, q, j.Backend.List, func(sec *secret.Secret) bool { return j.allowed(sec.Name) && !sec.Deleted.Over(now) })
	})
}

// fill reads pages until as many secrets that keep wants are found as the
// query asks for, or there are no more.
func fill(ctx context.Context, q secret.Query, list lister, keep func(*secret.Secret) bool) (secret.Page, error) {
	var out secret.Page
	ask := q
	ask.After = max(q.After, q.Under)
	for {
		page, err := list(ctx, ask)
		if err != nil {
			return secret.Page{}, err
		}
		for _, sec := range page.Secrets {
			switch {
			case !strings.HasPrefix(string(sec.Name), string(q.Under)): // sorted: nothing under it follows
				out.Next = ""
				return out, nil
			case !keep(sec):
			case q.Limit > 0 && len(out.Secrets) == q.Limit:
				out.Next = out.Secrets[q.Limit-1].Name
				return out, nil
			default:
				out.Secrets = append(out.Secrets, sec)
			}
		}
		out.Next = page.Next
		if page.Next == "" || len(out.Secrets) >= max(q.Limit, 1) {
			err = endWithFolder(ctx, q, list, &out)
			return out, err
		}
		ask.After = page.Next // whole pages again: the rest of one may cost as many calls
	}
}

// sawVersions has the audit name the versions a call touched.
func (j *job) sawVersions(sec *secret.Secret) {
	j.entry.Versions = j.entry.Versions[:0]
	for i := range sec.Versions {
		j.entry.Versions = append(j.entry.Versions, int64(sec.Versions[i].Ordinal))
	}
}
