package keysource

import (
	"context"

	"github.com/vaultferry/vaultferry/backup"
)

// File is a keyring in a file of its own.
type File struct{ Path string }

// Name implements Source.
func (f File) Name() string { return f.Path }

// File is where a change is written.
func (f File) File() string { return f.Path }

// Load implements Source.
func (f File) Load(context.Context) (*backup.Keyring, error) { return backup.LoadKeyring(f.Path) }

// Create implements Editor.
func (f File) Create(_ context.Context, k *backup.Keyring) error { return k.Create(f.Path) }

// Edit implements Editor.
func (f File) Edit(_ context.Context, edit func(*backup.Keyring) (*backup.Keyring, error)) error {
	return backup.EditFile(f.Path, edit)
}

// Credential is a keyring that systemd hands to the service, and to nobody else.
// Nobody can change it there.
type Credential struct {
	ID   string
	Path string // empty: none was handed over
}

// Name implements Source.
func (c Credential) Name() string { return "systemd's credential " + c.ID }

// Load implements Source.
func (c Credential) Load(context.Context) (*backup.Keyring, error) {
	if c.Path == "" {
		return nil, named(c, invalid("$CREDENTIALS_DIRECTORY is not set: systemd hands credentials to the service alone"))
	}
	k, err := backup.LoadKeyring(c.Path)
	return k, named(c, err)
}
