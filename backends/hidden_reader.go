package backends

import (
	"context"

	"github.com/vaultferry/vaultferry/secret"
)

// DisabledReader is an optional part of a Backend: that of a product which shows
// nobody the value of a disabled version, but lets the gateway enable it.
type DisabledReader interface {
	// ReadsDisabled reports whether the store is configured to do that.
	ReadsDisabled() bool

	// ExportDisabled is Export, but it enables each disabled version, reads it
	// and disables it again, on which it returns. A version that cannot be
	// marked as opened is left alone, and Unreadable. Whoever goes through a
	// gateway sees it disabled all the while; native tools can read it.
	//
	// opened lists the versions that were enabled, after an error too. A
	// version that stays enabled because the gateway or the product went away
	// is disabled by the next write or ExportDisabled of the secret.
	ExportDisabled(ctx context.Context, name secret.Name) (s *secret.Secret, opened []secret.Ordinal, err error)
}
