// Package kv1 keeps secrets in version 1 of Vault's key-value engine, which
// holds one value under a path, and neither versions nor times nor attributes.
// A write replaces the version.
//
// What the engine does not know lies in the companion, the secret of the same
// path under the reserved folder: a sidecar of each value that stands, or is
// about to. A sidecar belongs to a value by its digest. A value without one is
// one that native tools wrote: a new version, enabled, with the attributes of
// the secret and none of the version before, and no time but 1970.
//
// The sidecar is written first and the value after it, so that no reader of any
// gateway sees a value without what is known of it, or a disabled one as
// enabled. The engine has no cas: two gateways that write one name in the same
// moment may leave the value of one beside the sidecar of the other, and then
// it reads as written natively. Of an import and a native writer that come at
// once the later stays.
//
// A deleted secret has a sidecar that says so. Its value stays where it is, and
// native tools see it until it is purged.
//
// The gateway's token needs create, update, read, list and delete on the whole
// prefix. Whoever may read the companions can try guesses of a value there, and
// whoever may remove one enables what it disabled.
package kv1

import (
	"strings"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Store is a folder of a KV v1 engine.
type Store struct {
	*connection.Folder
	locks  kit.KeyedLock // a write hides its name from readers of this process
	states kit.KeyedLock // by the key of a record
}

// Naming is that of KV v1, which refuses two dots in a row anywhere.
var Naming = secret.Naming{What: "Vault", Natural: func(s string) bool { return connection.NaturalPath(s) && !strings.Contains(s, "..") }}

// New serves a folder.
func New(f *connection.Folder) *Store {
	f.Engine = connection.Engine{Version: "1", Lists: "/", Naming: Naming}
	return &Store{Folder: f}
}

// Profile is a KV v1 engine for a store in memory, with the field that a
// configuration has by default.
func Profile() backends.Profile {
	s := New(&connection.Folder{Field: connection.DefaultField})
	return backends.Profile{Capabilities: s.Capabilities(), Names: connection.NamesBy(Naming), Forecast: s.Forecast}
}

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product: "HashiCorp Vault KV v1", MaxValue: connection.MaxValue, MaxVersions: 1,
		AtomicImport: true, Durable: true,
	}
}
