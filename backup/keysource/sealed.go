package keysource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/internal/textfile"
)

// maxSealed bounds the file: a keyring of the largest size, coded twice.
const maxSealed = 8 << 20

// Sealer seals and opens with a key that is elsewhere. What it seals is a text of
// one line.
type Sealer interface {
	// Name says which key it is, for people.
	Name() string
	Seal(ctx context.Context, plain []byte) (sealed string, err error)
	Open(ctx context.Context, sealed string) (plain []byte, err error)
}

// Sealed is a keyring in a file that is sealed as a whole. The plain bytes are in
// memory alone.
type Sealed struct {
	path   string
	sealer Sealer

	mu   sync.Mutex
	last [sha256.Size]byte // of the file that open is of
	open *backup.Keyring
}

// NewSealed reads nothing yet.
func NewSealed(path string, sealer Sealer) *Sealed { return &Sealed{path: path, sealer: sealer} }

// Name implements Source.
func (s *Sealed) Name() string { return s.path + ", sealed by " + s.sealer.Name() }

// File is where a change is written.
func (s *Sealed) File() string { return s.path }

// Look reports what is wrong with the file, as far as that is to be seen without
// the sealer.
func (s *Sealed) Look() error {
	_, err := s.read()
	return named(s, err)
}

// Load implements Source. A file that has not changed since is not opened again, so
// that a gateway reloads without its sealer.
func (s *Sealed) Load(ctx context.Context) (*backup.Keyring, error) {
	text, err := s.read()
	if err != nil {
		return nil, named(s, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sha256.Sum256(text)
	if s.open != nil && sum == s.last {
		return s.open, nil
	}
	k, err := s.unseal(ctx, text)
	if err != nil {
		return nil, named(s, err)
	}
	s.last, s.open = sum, k
	return k, nil
}

func (s *Sealed) unseal(ctx context.Context, text []byte) (*backup.Keyring, error) {
	plain, err := s.sealer.Open(ctx, string(text))
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return backup.ParseKeyring(plain)
}

// read returns what is sealed. Others may read it, and nobody else may put another
// text there.
func (s *Sealed) read() ([]byte, error) {
	f, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, invalid("there is no such file: vaultferry keys seal makes it of a keyring")
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if d := ownfile.Look(s.path); d != nil && d.Sure {
		return nil, invalid("%s", d.What)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSealed+1))
	if err != nil {
		return nil, err
	}
	if b, err = textfile.Decode(b); err != nil {
		return nil, invalid("%v", err)
	}
	b = bytes.TrimSpace(b)
	switch {
	case len(b) > maxSealed:
		return nil, invalid("it is larger than %d bytes", maxSealed)
	case len(b) == 0:
		return nil, invalid("it is empty")
	}
	if _, err := backup.ParseKeyring(b); err == nil {
		return nil, invalid("it is a keyring that is not sealed: vaultferry keys seal seals one")
	}
	return b, nil
}

// seal returns what the file is to hold.
func (s *Sealed) seal(ctx context.Context, k *backup.Keyring) ([]byte, error) {
	plain, err := k.Reveal()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	text, err := s.sealer.Seal(ctx, plain)
	if err != nil {
		return nil, err
	}
	return append([]byte(text), '\n'), nil
}

// Create implements Editor.
func (s *Sealed) Create(ctx context.Context, k *backup.Keyring) error {
	return backup.CreateFile(s.path, func() ([]byte, error) {
		b, err := s.seal(ctx, k)
		return b, named(s, err)
	})
}

// Edit implements Editor. What is there is opened, whatever Load has seen, and
// sealed anew by the newest version of the sealer's key, also where edit changes
// nothing.
func (s *Sealed) Edit(ctx context.Context, edit func(*backup.Keyring) (*backup.Keyring, error)) error {
	return backup.ReplaceFile(s.path, func(target string) ([]byte, error) {
		at := NewSealed(target, s.sealer)
		b, err := at.edited(ctx, edit)
		return b, named(at, err)
	})
}

func (s *Sealed) edited(ctx context.Context, edit func(*backup.Keyring) (*backup.Keyring, error)) ([]byte, error) {
	text, err := s.read()
	if err != nil {
		return nil, err
	}
	k, err := s.unseal(ctx, text)
	if err != nil {
		return nil, err
	}
	if k, err = edit(k); err != nil {
		return nil, err
	}
	return s.seal(ctx, k)
}

var _, _ Editor = (*Sealed)(nil), File{}
