package migrate

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Looker reads single secrets of a side: as they stand now, or as an inventory says.
type Looker interface {
	// Look returns what stands under the name, digested over another one, that of
	// the source; nil: nothing does. What cannot be read has why it cannot. An error
	// ends all.
	Look(ctx context.Context, name, of secret.Name) (e *inventory.Entry, why string, err error)
}

// Live looks at a store as it is now.
type Live struct {
	*Side
	Key inventory.Key
	// NoValues reads and digests no value.
	NoValues bool
	// Ends reports whether an error about one secret will meet all the others.
	Ends func(error) bool
}

// Look implements Looker.
func (l Live) Look(ctx context.Context, name, of secret.Name) (*inventory.Entry, string, error) {
	e, err := l.Digest(ctx, l.Key, name, gateway.DigestOptions{Of: of, NoValues: l.NoValues})
	switch {
	case err == nil:
		return e, "", nil
	case ctx.Err() != nil || l.Ends(err):
		return nil, "", err
	case errors.Is(err, secret.NotFound), errors.Is(err, secret.Trashed):
		return nil, "", nil
	}
	unread := inventory.UnreadEntry(name, of, err)
	return &unread, l.Store + ": " + message(err), nil
}

// Taken looks into an inventory of a side.
type Taken struct {
	*inventory.Index
	NoValues bool // as if none had been digested
}

// Look implements Looker.
func (t Taken) Look(_ context.Context, _, of secret.Name) (*inventory.Entry, string, error) {
	e, err := t.Find(of)
	switch {
	case e == nil:
		return nil, "", err
	case e.Unread != "":
		return e, t.Header.Store + ": " + e.Unread, nil
	case t.NoValues:
		e.DropValues()
	}
	return e, "", nil
}
