package inventory

import (
	"context"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/internal/inorder"
	"github.com/vaultferry/vaultferry/secret"
)

// Source is a store to take an inventory of.
type Source struct {
	// List answers q; whether it shows what is in the trash is its own to say.
	List func(ctx context.Context, q secret.Query) (secret.Page, error)
	// Names, if not nil, are read instead of what is listed. Absent is told of those
	// that are not there; may be nil.
	Names  []secret.Name
	Absent func(secret.Name)
	// Of is the name that the digests of a secret are over; nil: its own.
	Of func(secret.Name) secret.Name
	// Digest reads one secret. Of one that is empty the entry says so.
	Digest func(ctx context.Context, name secret.Name) (*Entry, error)
	// Takes is asked about each secret that a list tells of: first about its name
	// alone, where the list knows nothing else.
	Takes func(*secret.Secret) bool
	// LeftOut is told of what should be listed and is not. May be nil.
	LeftOut func(secret.LeftOut)
	// Empty is told of what no list shows because nothing of it can be read: no
	// version has a value, or its import is not finished. May be nil.
	Empty func(secret.LeftOut)
	// Readers is how many secrets are read at once.
	Readers int

	resolver resolver
}

// Take reads the whole source and hands each entry to write, in bytewise order.
// What cannot be read is an entry that says so. It ends early where ended is true
// of an error: the credential is dead, or the caller gave up.
func (s *Source) Take(ctx context.Context, write func(*Entry) error, ended func(error) bool) error {
	type answer struct {
		*Entry // nil: it is gone, or lacks a tag
		absent secret.Name
	}
	read := func(ctx context.Context, found *secret.Secret) (answer, error) {
		e, err := s.read(ctx, found)
		switch {
		case err == nil:
			return answer{Entry: e}, nil
		case ctx.Err() != nil || ended(err):
			return answer{}, err
		case errors.Is(err, secret.NotFound), errors.Is(err, secret.Trashed):
			return answer{absent: found.Name}, nil
		}
		unread := UnreadEntry(found.Name, s.of(found.Name), err)
		return answer{Entry: &unread}, nil
	}
	return inorder.Do(ctx, s.Readers, s.Each, read, func(a answer) error {
		switch {
		case a.Entry != nil:
			return write(a.Entry)
		case a.absent != "" && s.Names != nil && s.Absent != nil:
			s.Absent(a.absent)
		}
		return nil
	})
}

func (s *Source) of(name secret.Name) secret.Name {
	if s.Of == nil {
		return name
	}
	return s.Of(name)
}

func (s *Source) read(ctx context.Context, found *secret.Secret) (*Entry, error) {
	if found.Deleted != nil {
		return deletedEntry(found), nil
	}
	if s.Names == nil && found.NameAlone() {
		return s.readNamed(ctx, found.Name)
	}
	return s.Digest(ctx, found.Name)
}

func deletedEntry(s *secret.Secret) *Entry {
	return &Entry{Name: s.Name, Deleted: &Deletion{At: s.Deleted.At.UTC(), Until: s.Deleted.Purge.UTC()}}
}

// Each tells of all that the source lists and Takes wants, or of Names. It asks for
// names alone: Resolve tells more of one that is nothing else.
func (s *Source) Each(ctx context.Context, do func(*secret.Secret) error) error {
	if s.Names != nil {
		for _, n := range slices.Compact(slices.Sorted(slices.Values(s.Names))) {
			if err := do(&secret.Secret{Name: n}); err != nil {
				return err
			}
		}
		return nil
	}
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
	next    func(context.Context, secret.Query) (secret.Page, error)
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
		page, err := p.next(ctx, secret.Query{After: after, NamesAlone: true})
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
