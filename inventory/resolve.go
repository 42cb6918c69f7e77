package inventory

import (
	"context"
	"slices"
	"sync"

	"github.com/vaultferry/vaultferry/secret"
)

// resolved is what a name turned out to be: a secret, something that lists leave
// out, or, with neither, nothing that is there any more.
type resolved struct {
	*secret.Secret
	leftOut *secret.LeftOut
}

// resolver asks for names one by one. What is no secret lies together more often
// than not, so the last page is kept.
type resolver struct {
	mu   sync.Mutex
	page secret.Page
}

// resolvedAtOnce is how many names such a page has: each may cost requests.
const resolvedAtOnce = 16

// Resolve says what was under a name, of which a list knew nothing else, since it
// was listed: a secret, live or in the trash, or what lists leave out; both nil:
// nothing.
func (s *Source) Resolve(ctx context.Context, name secret.Name) (*secret.Secret, *secret.LeftOut, error) {
	r := &s.resolver
	r.mu.Lock()
	defer r.mu.Unlock()
	if is := find(r.page, name); is != (resolved{}) {
		return is.Secret, is.leftOut, nil
	}
	for q := (secret.Query{After: name.Before(), Limit: resolvedAtOnce}); ; q.After = r.page.Next {
		page, err := s.List(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		r.page = page
		is := find(page, name)
		if is != (resolved{}) || page.Next == "" || page.Next >= name {
			return is.Secret, is.leftOut, nil
		}
	}
}

func find(p secret.Page, name secret.Name) resolved {
	for i := range p.LeftOut {
		if l := &p.LeftOut[i]; l.Name == name && l.Why != secret.LeftOutFolder {
			return resolved{leftOut: l}
		}
	}
	if i := slices.IndexFunc(p.Secrets, func(s *secret.Secret) bool { return s.Name == name }); i >= 0 {
		return resolved{Secret: p.Secrets[i]}
	}
	return resolved{}
}

// isNothing reports whether what was read under a name may be what no list shows as
// a secret: nothing, something in the trash, or versions without values.
func isNothing(e *Entry, err error) bool {
	if err != nil {
		kind := secret.KindOf(err)
		return kind == secret.NotFound || kind == secret.Trashed || kind == secret.Lossy
	}
	return e != nil && e.Empty()
}

// Empty reports whether there are versions, and all are deleted or destroyed.
func (e *Entry) Empty() bool {
	return len(e.Versions) > 0 && !slices.ContainsFunc(e.Versions, func(v Version) bool {
		return v.State != State(secret.Deleted) && v.State != State(secret.Destroyed)
	})
}

// readNamed reads a secret of which a list knew the name alone.
func (s *Source) readNamed(ctx context.Context, name secret.Name) (*Entry, error) {
	e, err := s.Digest(ctx, name)
	if !isNothing(e, err) {
		return e, err
	}
	is, leftOut, failed := s.Resolve(ctx, name)
	switch {
	case failed != nil:
		return nil, failed
	case leftOut != nil && leftOut.Incomplete():
		return nil, secret.Errorf(secret.Upstream, "%s", leftOut.Detail)
	case is == nil:
		return nil, &secret.Error{Kind: secret.NotFound}
	case is.Deleted != nil && s.Takes(is):
		return deletedEntry(is), nil
	case is.Deleted != nil:
		return nil, nil
	case err != nil: // it came back meanwhile
		return s.Digest(ctx, name)
	}
	return e, nil
}
