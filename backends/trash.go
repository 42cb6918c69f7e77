package backends

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Updater is the part of Backend that changes attributes of what stands.
// Values never change.
type Updater interface {
	// Update applies p to the version that sel picks, and to its secret, and
	// returns the secret's attributes with that one version, without value.
	// The version's Updated moves; its Created does not. Disabled versions
	// can be updated. Two updates at once both take effect, member by member.
	//
	// Kinds: NotFound; Invalid (CheckPatch, CheckRoles); Lossy with a Detail where the product cannot hold what
	// p asks for (nothing is changed then); Conflict; Unknown; Partial where
	// the product takes several writes and one failed: a second try completes
	// it.
	Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error)
}

// Trasher is the part of Backend that deletes recoverably. What is in the trash is kept in the product: a
// restart or a second gateway finds it, and native tools do not break it.
//
// While a name is in the trash, Get, Describe, Export and Update answer
// NotFound, List leaves it out, and Put and Import answer Trashed. No method
// looks at the clock to decide whether something is over: the gateway does.
type Trasher interface {
	// Delete moves the secret with all its versions to the trash until purge
	// (zero: for ever), and returns it without values, Deleted set. A product
	// that reckons the date itself says its own there. Kinds: NotFound (absent
	// or in the trash already), Conflict, Unknown.
	Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error)

	// DescribeTrash is Describe for what is in the trash, Deleted set. It holds
	// all versions, or where Capabilities.TrashHidesVersions one, which
	// need not be current.
	DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error)

	// ListTrash is List for what is in the trash, Deleted set.
	ListTrash(ctx context.Context, q secret.Query) (secret.Page, error)

	// Recover brings the secret back exactly as it was: versions, ids, times,
	// roles, and what was disabled or natively deleted before stays so.
	// Returns it as Describe does. Kinds: NotFound (not in the trash).
	Recover(ctx context.Context, name secret.Name) (*secret.Secret, error)

	// Purge removes what is in the trash for ever. Kinds: NotFound, Unknown.
	Purge(ctx context.Context, name secret.Name) error
}
