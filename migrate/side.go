package migrate

import (
	"context"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Service is what a move asks of a gateway: of this process, or of a running one.
type Service interface {
	List(ctx context.Context, c gateway.Call, store string, q secret.Query) (secret.Page, error)
	Digest(ctx context.Context, c gateway.Call, r gateway.Ref, k inventory.Key, o gateway.DigestOptions) (*inventory.Entry, error)
	Pack(ctx context.Context, c gateway.Call, r gateway.Ref, k inventory.Key, o gateway.PackOptions) (*gateway.Packed, error)
	Restore(ctx context.Context, c gateway.Call, store string, blob []byte, o gateway.RestoreOptions) (*gateway.Outcome, error)
}

// Side is one of the two stores of a move.
type Side struct {
	Store   string
	Service Service
	Call    gateway.Call
	Pace    *Pace
	// Spell is what the product calls a secret, and refuses (Invalid) what it
	// cannot spell. Nil: it takes every name.
	Spell func(secret.Name) (string, error)
	// Requests are how many a move makes to the product if this is its target.
	Requests Requests
	// FoldsCase: who uses the product cannot tell names apart by case.
	FoldsCase bool
}

func (s *Side) ref(name secret.Name) gateway.Ref { return gateway.Ref{Store: s.Store, Name: name} }

// Digest digests a secret at the side's pace. Nil: it lacks one of the tags.
func (s *Side) Digest(ctx context.Context, k inventory.Key, name secret.Name, o gateway.DigestOptions) (e *inventory.Entry, err error) {
	err = s.Pace.Do(ctx, func(ctx context.Context) error {
		e, err = s.Service.Digest(ctx, s.Call, s.ref(name), k, o)
		return err
	})
	return e, err
}

func (s *Side) pack(ctx context.Context, k inventory.Key, name secret.Name, o gateway.PackOptions) (p *gateway.Packed, err error) {
	err = s.Pace.Do(ctx, func(ctx context.Context) error {
		p, err = s.Service.Pack(ctx, s.Call, s.ref(name), k, o)
		return err
	})
	return p, err
}

func (s *Side) restore(ctx context.Context, blob []byte, o gateway.RestoreOptions) (out *gateway.Outcome, err error) {
	err = s.Pace.Do(ctx, func(ctx context.Context) error {
		out, err = s.Service.Restore(ctx, s.Call, s.Store, blob, o)
		return err
	})
	return out, err
}

// page is how many names a list returns at once, where nobody says another number,
// and manyNames how many of names alone.
const page, manyNames = 100, 1000

// List is one page of the side's secrets, at its pace.
func (s *Side) List(ctx context.Context, q secret.Query) (p secret.Page, err error) {
	switch {
	case q.Limit > 0:
	case q.NamesAlone:
		q.Limit = manyNames
	default:
		q.Limit = page
	}
	err = s.Pace.Do(ctx, func(ctx context.Context) error {
		p, err = s.Service.List(ctx, s.Call, s.Store, q)
		return err
	})
	return p, err
}
