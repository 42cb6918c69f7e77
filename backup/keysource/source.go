// Package keysource is where a gateway's keyring is: in a file, in a credential of
// systemd, in the environment, or in a file that is sealed as a whole.
package keysource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// Source is where one keyring is.
type Source interface {
	// Name says where that is, for people.
	Name() string
	// Load reads the keyring anew. Unavailable and Throttled mean that it may be
	// there later; its other errors stay until somebody does something.
	Load(ctx context.Context) (*backup.Keyring, error)
}

// Editor is a Source that commands can change.
type Editor interface {
	Source
	// Create puts a keyring where none is: os.ErrExist.
	Create(ctx context.Context, k *backup.Keyring) error
	// Edit replaces the keyring by what edit makes of it, whole or not at all. Of
	// two at a time one fails before it has read anything.
	Edit(ctx context.Context, edit func(*backup.Keyring) (*backup.Keyring, error)) error
}

// named says in an error where the keyring is.
func named(s Source, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*secret.Error](err)
	if !ok {
		return &secret.Error{Kind: secret.Invalid, Op: "keyring", Detail: s.Name(), Err: secret.WithoutPath(err)}
	}
	if strings.Contains(e.Detail, s.Name()) {
		return e
	}
	told := *e
	told.Detail = fmt.Sprintf("%s: %s", s.Name(), e.Detail)
	return &told
}

func invalid(format string, args ...any) error {
	return &secret.Error{Kind: secret.Invalid, Op: "keyring", Detail: fmt.Sprintf(format, args...)}
}
