// Package hashivault keeps secrets in a key-value engine of HashiCorp Vault.
// What follows is about version 2 of the engine; of version 1 see Flat.
//
// Values lie there as native tools expect them: a text is the single field
// "value" (or the configured one), fields are the fields. What KV v2 has no
// place for is kept beside: per version in the custom_metadata key
// "vaultferry.v<N>" ("vaultferry.w<N>." and a word while it is being written),
// of the secret in "vaultferry", of an unfinished import in
// "vaultferry.import", and what does not fit in a companion secret under the
// folder "vaultferry.meta". The gateway's own records about the store are in that
// folder as well. A version without a key of its own, so any that native tools
// wrote, reads from the product's facts alone. A version that was added natively becomes current, as it does there.
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
package hashivault

import (
	"net/http"

	"github.com/vaultferry/vaultferry/backends"
)

// Store is a folder of a KV v2 engine.
type Store struct{ *core }

func newStore(env backends.Env, c *Config, base http.RoundTripper) (*Store, error) {
	k, err := newCore(env, c, base)
	if err != nil {
		return nil, err
	}
	return newVersioned(k), nil
}

func newVersioned(k *core) *Store {
	k.engine, k.lists, k.spell = "2", "/metadata/", naming
	return &Store{k}
}

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product: "HashiCorp Vault KV v2", MaxValue: maxValue,
		AtomicCreate: true, Durable: true, KeepsEmptyTags: true,
	}
}
