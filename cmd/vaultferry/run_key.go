package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/internal/textfile"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// newRunKey is the key of the file, which is made if it is not there; without a
// file, a new key, and what it is wrapped in for the keyring.
func newRunKey(file string, keys *backup.Keyring) (k inventory.Key, wrapped string, err error) {
	if file != "" {
		k, err = readRunKey(file)
		if errors.Is(err, os.ErrNotExist) {
			k = inventory.NewKey()
			err = writeFile(file, fmt.Appendln(nil, hex.EncodeToString(k.Reveal())), false)
		}
		return k, "", err
	}
	if !keys.CanOpen() {
		return k, "", usagef("this keyring can wrap a run key and not unwrap it again: keep the key in a file of its own, with --run-key FILE")
	}
	k = inventory.NewKey()
	wrapped, err = keys.WrapRunKey(k.Reveal())
	return k, wrapped, err
}

// readRunKey reads the 64 hex digits of a file that nobody else can read.
func readRunKey(file string) (inventory.Key, error) {
	f, err := os.Open(file)
	if err != nil {
		return inventory.Key{}, err
	}
	defer func() { _ = f.Close() }() // only read
	if why := ownfile.Exposed(f); why != "" {
		return inventory.Key{}, usagef("%s holds a run key, and %s", file, why)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return inventory.Key{}, err
	}
	var b []byte
	if text, err = textfile.Decode(text); err == nil {
		b, err = hex.DecodeString(string(bytes.TrimSpace(text)))
	}
	if err != nil {
		return inventory.Key{}, usagef("%s: no run key: want 64 hex digits", file)
	}
	k, err := inventory.KeyFrom(b)
	if err != nil {
		return inventory.Key{}, usagef("%s: %v", file, err)
	}
	return k, nil
}

// runKeyOf is the key of an inventory or a plan, what, which names it by id: of
// the file, else as it is wrapped in it.
func runKeyOf(what, id, wrapped, file string, keys *backup.Keyring) (k inventory.Key, err error) {
	switch {
	case file != "":
		k, err = readRunKey(file)
	case wrapped == "":
		return k, usagef("the %s's run key is in a file of its own: give it with --run-key FILE", what)
	default:
		var b []byte
		if b, err = keys.UnwrapRunKey(wrapped); err == nil {
			k, err = inventory.KeyFrom(b)
		}
	}
	if err != nil {
		return k, err
	}
	if k.ID() != id {
		return k, secret.Errorf(secret.Invalid, "the run key %s is not the %s's, which is %s", k.ID(), what, id)
	}
	return k, nil
}
