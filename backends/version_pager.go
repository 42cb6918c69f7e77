package backends

import (
	"context"

	"github.com/vaultferry/vaultferry/secret"
)

// VersionPager is an optional part of a Backend: that of a product which keeps
// the versions of a secret apart, and shows some without reading all. Of any
// other product a page of versions costs a Describe.
type VersionPager interface {
	// DescribePart is Describe, or DescribeTrash, with no more versions than the
	// part picks. It is what Part.Of makes of the whole secret, at a cost that
	// grows with what the part passes and not with the secret.
	DescribePart(ctx context.Context, name secret.Name, p secret.Part) (*secret.Secret, error)
}
