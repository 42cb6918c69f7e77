package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/internal/textfile"
	"github.com/vaultferry/vaultferry/secret"
)

// maxSecretFile bounds a file that a reference names.
const maxSecretFile = 1 << 20

// refs resolves references to secrets, so that none of them ever is a plain
// string that could be printed.
type refs struct {
	file   string // of the configuration
	dir    string // of that file
	open   []string
	danger []string
	loaded map[string]Digest // see Config.Files
	parsed Digest            // see Config.Digest
}

// value resolves {env: NAME} or {file: PATH}. Its errors never show what was
// found in their place.
func (r *refs) value(in any) (secret.Value, error) {
	m, ok := in.(map[string]any)
	if !ok {
		return secret.Value{}, errors.New("a secret is never written here; use {env: NAME} or {file: PATH}")
	}
	env, hasEnv := m["env"].(string)
	file, hasFile := m["file"].(string)
	var v secret.Value
	var err error
	switch {
	case len(m) == 1 && hasEnv:
		v, err = fromEnv(env)
	case len(m) == 1 && hasFile:
		v, err = r.fromFile(file)
	default:
		err = errors.New("a secret is either {env: NAME} or {file: PATH}, and nothing else")
		return secret.Value{}, err
	}
	if err != nil {
		return secret.Value{}, unresolved{err}
	}
	return v, nil
}

func fromEnv(name string) (secret.Value, error) {
	s, ok := os.LookupEnv(name)
	if !ok {
		return secret.Value{}, fmt.Errorf("the environment variable %q is not set", name)
	}
	text, err := textfile.Credential([]byte(s)) // it came from a file, too, whose line end it may have
	switch {
	case errors.Is(err, textfile.ErrEmpty):
		return secret.Value{}, fmt.Errorf("the environment variable %q is empty", name)
	case err != nil:
		return secret.Value{}, fmt.Errorf("the environment variable %q: %w", name, err)
	}
	return secret.TextValue(string(text)), nil
}

func (r *refs) fromFile(path string) (secret.Value, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		r.saw(path, Digest{})
		return secret.Value{}, err // names the file
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return secret.Value{}, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if info.Mode().IsRegular() {
		r.saw(path, sha256.Sum256(b))
	}
	switch {
	case err != nil:
		return secret.Value{}, err
	case len(b) > maxSecretFile:
		return secret.Value{}, fmt.Errorf("%s is larger than %d bytes", path, maxSecretFile)
	}
	if info.Mode().IsRegular() {
		if why := ownfile.Exposed(f); why != "" {
			r.open = append(r.open, path+" holds a secret, and "+why)
		}
	}
	if d := ownfile.Look(path); d != nil {
		if d.Sure {
			return secret.Value{}, errors.New(d.What)
		}
		r.danger = append(r.danger, d.What)
	}
	text, err := textfile.Credential(b)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", path, err)
	}
	return secret.TextValue(string(text)), nil
}
