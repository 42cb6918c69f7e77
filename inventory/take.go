package inventory

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/internal/inorder"
	"github.com/vaultferry/vaultferry/secret"
)

// Source is a store to take an inventory of.
type Source struct {
	// List returns a page of what stands after a name, live or in the trash, in
	// bytewise order.
	List func(ctx context.Context, after secret.Name) (secret.Page, error)
	// Digest reads one secret.
	Digest func(ctx context.Context, name secret.Name) (*Entry, error)
	// Takes is asked about each secret that a list tells of.
	Takes func(*secret.Secret) bool
	// LeftOut is told of what should be listed and is not. May be nil.
	LeftOut func(secret.LeftOut)
	// Empty is told of what no list shows because nothing of it can be read: no
	// version has a value, or its import is not finished. May be nil.
	Empty func(secret.LeftOut)
	// Readers is how many secrets are read at once.
	Readers int
}

// Take reads the whole source and hands each entry to write, in bytewise order.
// What cannot be read is an entry that says so. It ends early where ended is true
// of an error: the credential is dead, or the caller gave up.
func (s *Source) Take(ctx context.Context, write func(*Entry) error, ended func(error) bool) error {
	read := func(ctx context.Context, found *secret.Secret) (*Entry, error) {
		e, err := s.read(ctx, found)
		if err != nil && (ctx.Err() != nil || ended(err)) {
			return nil, err
		}
		return e, nil
	}
	return inorder.Do(ctx, s.Readers, s.Each, read, func(e *Entry) error {
		if e == nil { // it is gone
			return nil
		}
		return write(e)
	})
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

// Each tells of all that the source lists and Takes wants.
func (s *Source) Each(ctx context.Context, do func(*secret.Secret) error) error {
	for all := (&pages{next: s.List, leftOut: s.LeftOut, empty: s.Empty}); ; all.drop() {
		found, err := all.peek(ctx)
		if found == nil || err != nil {
			return err
		}
		if s.Takes(found) {
			if err := do(found); err != nil {
				return err
			}
		}
	}
}

// pages reads a list as one sequence, a page ahead of who reads it.
type pages struct {
	next    func(context.Context, secret.Name) (secret.Page, error)
	leftOut func(secret.LeftOut)
	empty   func(secret.LeftOut)
	have    []*secret.Secret
	begun   bool
	coming  chan answeredPage // nil: no page follows
}

type answeredPage struct {
	secret.Page
	err error
}

// ask begins to read the page behind a name.
func (p *pages) ask(ctx context.Context, after secret.Name) {
	coming := make(chan answeredPage, 1)
	p.coming = coming
	go func() {
		page, err := p.next(ctx, after)
		coming <- answeredPage{page, err}
	}()
}

func (p *pages) peek(ctx context.Context) (*secret.Secret, error) {
	if !p.begun {
		p.ask(ctx, "")
	}
	p.begun = true
	for len(p.have) == 0 {
		if p.coming == nil {
			return nil, nil
		}
		page := <-p.coming
		if page.err != nil {
			return nil, page.err
		}
		if p.coming = nil; page.Next != "" {
			p.ask(ctx, page.Next)
		}
		for _, l := range page.LeftOut {
			tell := p.empty
			if l.Incomplete() {
				tell = p.leftOut
			}
			if tell != nil {
				tell(l)
			}
		}
		p.have = page.Secrets
	}
	return p.have[0], nil
}

func (p *pages) drop() { p.have = p.have[1:] }
