package inventory

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/secret"
)

// Source is a store to take an inventory of.
type Source struct {
	// List returns a page of names after one, in bytewise order, live or in the
	// trash, with what a filter needs to know.
	List, ListTrash func(ctx context.Context, after secret.Name) (secret.Page, error)
	// Digest reads one secret.
	Digest func(ctx context.Context, name secret.Name) (*Entry, error)
	// Takes is asked about each secret that a list tells of.
	Takes func(*secret.Secret) bool
	// LeftOut is told of what should be listed and is not. May be nil.
	LeftOut func(secret.LeftOut)
	// Readers is how many secrets are read at once.
	Readers int
}

// Take reads the whole source and hands each entry to write, in bytewise order.
// What cannot be read is an entry that says so. It ends early where ended is true
// of an error: the credential is dead, or the caller gave up.
func (s *Source) Take(ctx context.Context, write func(*Entry) error, ended func(error) bool) error {
	group, ctx := errgroup.WithContext(ctx)
	coming := make(chan chan *Entry, max(s.Readers-1, 0)) // and one that is waited for
	group.Go(func() error {
		defer close(coming)
		return s.each(ctx, func(found *secret.Secret) error {
			entry := make(chan *Entry, 1)
			select {
			case coming <- entry:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				e, err := s.read(ctx, found)
				if err != nil && (ctx.Err() != nil || ended(err)) {
					return err
				}
				entry <- e
				return nil
			})
			return nil
		})
	})
	group.Go(func() error {
		for entry := range coming {
			select {
			case e := <-entry:
				if e == nil { // it is gone
					continue
				}
				if err := write(e); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// read returns nil where the secret is gone since it was listed.
func (s *Source) read(ctx context.Context, found *secret.Secret) (*Entry, error) {
	if found.Deleted != nil {
		return &Entry{Name: found.Name, Deleted: &Deletion{At: found.Deleted.At.UTC(), Until: found.Deleted.Purge.UTC()}}, nil
	}
	e, err := s.Digest(ctx, found.Name)
	if errors.Is(err, secret.NotFound) || errors.Is(err, secret.Trashed) {
		return nil, nil
	}
	if err != nil {
		unread := UnreadEntry(found.Name, "", err)
		return &unread, err
	}
	return e, nil
}

// each walks both lists side by side. Of a name in both, the live one counts.
func (s *Source) each(ctx context.Context, do func(*secret.Secret) error) error {
	live, trash := &pages{next: s.List, leftOut: s.LeftOut}, &pages{next: s.ListTrash}
	for {
		a, err := live.peek(ctx)
		if err != nil {
			return err
		}
		b, err := trash.peek(ctx)
		if err != nil {
			return err
		}
		switch {
		case a == nil && b == nil:
			return nil
		case b == nil || (a != nil && a.Name <= b.Name):
			if b != nil && b.Name == a.Name {
				trash.drop()
			}
			live.drop()
			b = a
		default:
			trash.drop()
		}
		if s.Takes(b) {
			if err := do(b); err != nil {
				return err
			}
		}
	}
}

// pages reads a list as one sequence.
type pages struct {
	next    func(context.Context, secret.Name) (secret.Page, error)
	leftOut func(secret.LeftOut)
	have    []*secret.Secret
	after   secret.Name
	ended   bool
}

func (p *pages) peek(ctx context.Context) (*secret.Secret, error) {
	for len(p.have) == 0 {
		if p.ended || p.next == nil {
			return nil, nil
		}
		page, err := p.next(ctx, p.after)
		if err != nil {
			return nil, err
		}
		for _, l := range page.LeftOut {
			if p.leftOut != nil && l.Incomplete() {
				p.leftOut(l)
			}
		}
		p.have, p.after = page.Secrets, page.Next
		p.ended = page.Next == ""
	}
	return p.have[0], nil
}

func (p *pages) drop() { p.have = p.have[1:] }
