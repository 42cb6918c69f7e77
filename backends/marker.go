package backends

import (
	"context"

	"github.com/vaultferry/vaultferry/secret"
)

// Marker is an optional part of a Backend: that of a product in which a write takes
// effect only if the secret is still as it was seen. So what a caller decides by what
// stands holds, whoever else writes meanwhile, at any gateway.
type Marker interface {
	// DescribeMarked is Describe with the mark of the state that it shows. Each
	// change of the secret gives it another one, also its deletion and its return.
	//
	// Put and Update with that mark in Draft.If or Patch.If take effect in that state
	// alone. Else nothing is changed: Conflict, or NotFound or Trashed where the
	// secret is not there any more.
	DescribeMarked(ctx context.Context, name secret.Name) (*secret.Secret, secret.Mark, error)

	// Append adds the versions in their order to the state with that mark, all of them
	// or none, as that many of Put would. A UID that a version has already is not
	// replaced, but Invalid. It returns the secret's attributes with the new versions,
	// without values.
	Append(ctx context.Context, name secret.Name, only secret.Mark, versions []secret.Draft) (*secret.Secret, error)
}
