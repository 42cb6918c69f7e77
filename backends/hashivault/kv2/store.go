// Package kv2 keeps secrets in version 2 of Vault's key-value engine.
//
// Values lie there as native tools expect them: a text is the single field
// "value" (or the configured one), fields are the fields. What KV v2 has no
// place for is kept beside: per version in the custom_metadata key
// "vaultferry.v<N>" ("vaultferry.w<N>." and a word while it is being written),
// of the secret in "vaultferry", of an unfinished import in
// "vaultferry.import", and what does not fit in a companion secret under the
// folder "vaultferry.meta". All other keys of custom_metadata are the secret's
// tags. The gateway's own records about the store are in the reserved folder as
// well. A version without a key of its own, so any that native
// tools wrote, reads from the product's facts alone. A version that was added
// natively becomes current, as it does there.
//
// A deleted secret has every version deleted natively and the custom_metadata
// key "vaultferry.trash", which says when, until when, and which versions were
// deleted before. What is disabled is never deleted.
//
// The gateway's token needs create, update and read on data/, and create,
// update, patch, read, list and delete on metadata/; update on destroy/ for
// imports, and on delete/ and undelete/ for the trash. It
// had better read config, so that an import is refused before its first write
// where the mount deletes versions after a time.
//
// # What can race
//
// Every version is written with cas, so no version is lost or overwritten by
// whoever writes at the same time. Within one process writers of one name
// queue, and readers see value and attributes together. Between two processes
// the attributes follow the value by a request: a reader of the other process
// may see a version without them for that moment (never a disabled one as
// enabled), and of two writers that change stages, roles or attributes of the
// secret in the same moment the later wins.
package kv2

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Store is a folder of a KV v2 engine.
type Store struct {
	*connection.Folder
	// writers queue by name, imports among them. They keep no reader waiting,
	// for an import may take long.
	writers kit.KeyedLock
	// views keep readers out while a value stands without its attributes. Whoever
	// locks one is the only writer of the name.
	views kit.KeyedLock
	mount atomic.Pointer[mount] // nil: not read yet
}

// New serves a folder.
func New(f *connection.Folder) *Store {
	f.Engine = connection.Engine{Version: "2", Lists: "/metadata/", Naming: connection.Naming}
	return &Store{Folder: f}
}

// Profile is a KV v2 engine for a store in memory, with the field that a
// configuration has by default.
func Profile() backends.Profile {
	s := New(&connection.Folder{Field: connection.DefaultField})
	return backends.Profile{Capabilities: s.Capabilities(), Names: connection.NamesBy(connection.Naming), Forecast: s.Forecast}
}

const product = "HashiCorp Vault KV v2"

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product: product, MaxValue: connection.MaxValue,
		AtomicCreate: true, Durable: true,
	}
}

// changing runs change as the only writer of the name in this process, while
// no reader looks.
func (s *Store) changing(ctx context.Context, name secret.Name, change func(*state) error) error {
	at, err := s.Locate(name)
	if err != nil {
		return err
	}
	unlock, err := s.writers.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	show, err := s.views.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer show()
	st, err := s.load(ctx, at, name)
	if err == nil {
		err = s.closeOld(ctx, st)
	}
	if err != nil {
		return err
	}
	if err = change(st); errors.Is(err, errVanished) { // nothing was written on what is not there
		err = &secret.Error{Kind: secret.Conflict, Detail: "another gateway, or a native tool, took the version away at the same moment", Err: err}
	}
	return err
}
