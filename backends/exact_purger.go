package backends

import (
	"context"

	"github.com/vaultferry/vaultferry/secret"
)

// ExactPurger is a backend that purges one deletion of a name and no other. It
// is optional: of a product that cannot tell deletions apart, Purge takes
// whatever is in the trash by then.
type ExactPurger interface {
	// PurgeExactly is Purge, if what is in the trash is still what
	// DescribeTrash has shown as seen. Kinds: NotFound (it is not), Unknown.
	PurgeExactly(ctx context.Context, seen *secret.Secret) error
}
