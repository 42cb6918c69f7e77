package backends

import (
	"context"

	"github.com/vaultferry/vaultferry/secret"
)

// HiddenReader is an optional part of a Backend: that of a product which shows
// nobody some values that it holds, of a disabled version (Unreadable) or of one
// that native tools deleted (Deleted), but lets the gateway open the version.
type HiddenReader interface {
	// ReadsHidden reports whether the store opens versions that are missing their
	// value for the reason, where that is asked for.
	ReadsHidden(why secret.Missing) bool

	// ExportHidden is Export, but it opens each version that is missing its value
	// for the reason, reads it and closes it again, on which it returns. A version
	// that cannot be marked as opened is left alone. Whoever goes through a gateway
	// sees it closed all the while; native tools can read it.
	//
	// opened lists the versions that were opened, after an error too. A version
	// that stays open because the gateway or the product went away is closed by
	// the next write or ExportHidden of the secret.
	ExportHidden(ctx context.Context, name secret.Name, why secret.Missing) (s *secret.Secret, opened []secret.Ordinal, err error)
}
