package backends

import (
	"context"

	"github.com/vaultferry/vaultferry/secret"
)

// Displacer is an optional part of a Backend: that of a product in which
// somebody may have set how many versions it keeps of one secret, and how long. Of a limit
// that counts for all of them Capabilities.MaxVersions tells.
type Displacer interface {
	// PutDisplacing is Put. Where it pushes versions out, the oldest ones, it asks
	// displace, which is told them oldest first, before it writes anything; an
	// error of displace stops it.
	PutDisplacing(ctx context.Context, name secret.Name, d secret.Draft, displace func(ctx context.Context, gone []secret.Ordinal) error) (*secret.Secret, error)

	// VersionLimit is how many versions the product keeps of a secret that Export
	// has returned. Zero: nobody set a limit. It does no I/O.
	VersionLimit(have *secret.Secret) int

	// AppendLosses is what becomes of the versions of part because they are added
	// to a secret that Export has returned, and what Forecast cannot know: that
	// somebody set an end to them. It does no I/O.
	AppendLosses(have, part *secret.Secret) []secret.Loss
}
