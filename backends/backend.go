// Package backends is the contract that every product behind the gateway
// meets: a small interface, facts about the product, and a registry without
// init functions. Conformance is proved by package backendtest.
package backends

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Backend is what one product must do.
//
// Implementations are safe for concurrent use, honour ctx, and return
// *secret.Error. They neither retry, but for kit.Patiently, log, audit nor check
// permissions: the gateway does that once. They never return a value in an error's Detail,
// nor vendor text but what kit.Answer.Told lets through. Each call to a product is counted with CountCall.
//
// Roles, ordinals, UIDs and times mean the same in every product: see package
// secret. So do tags: a backend knows own tags alone, of a version and of the
// secret, and being without tags (nil) differs from an empty set. Names are the model's; each backend has one secret.Naming to its
// product's names, and refuses (Invalid) what that cannot spell.
type Backend interface {
	// Capabilities are constant for the life of the backend.
	Capabilities() Capabilities

	// Put adds a version and returns the secret's attributes with that one
	// version, value included. The first version of a secret is current.
	//
	// Kinds: AlreadyExists (OnlyIfAbsent), Trashed, Invalid, TooLarge,
	// Conflict, and Unknown where the write may have happened.
	Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error)

	// Get returns the secret's attributes with the one version that sel picks,
	// value included. Roles are filled in. A disabled version is returned as
	// it is, if the product shows its value, and with Missing Unreadable and
	// no value if not: the gateway decides who sees what. A version that holds
	// no value is returned with Missing set.
	//
	// For secret.Current alone, Previous and the secret's own Created and Updated
	// may be left out (zero) where they would cost another request. Whoever needs
	// them selects by ordinal, or asks Describe.
	//
	// Kinds: NotFound (absent, in the trash, or no such version).
	Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error)

	// Describe returns the secret with all versions, without values.
	Describe(ctx context.Context, name secret.Name) (*secret.Secret, error)

	// List returns a page of live secrets, and with q.WithTrash of what is in
	// the trash as well, sorted bytewise by the model's name. Secrets whose
	// import is not finished are left out. Where a product keeps no list of its
	// trash, one List with it costs far less than a List and a ListTrash.
	//
	// Nothing that cannot be listed hides what can: a folder that the product
	// refuses, a secret that cannot be read, or a name that is none of the
	// model's, is in Page.LeftOut, and so is what is empty or unfinished. What is
	// the gateway's own in the product is not.
	//
	// With q.NamesAlone a list costs no request for each of its names.
	List(ctx context.Context, q secret.Query) (secret.Page, error)

	// Export returns the secret with all versions and values: one consistent
	// state, even while others write. Versions without a value say why.
	Export(ctx context.Context, name secret.Name) (*secret.Secret, error)

	// Forecast lists what Import of s would lose. It does no I/O, and what it
	// says is exactly what happens.
	Forecast(s *secret.Secret) []secret.Loss

	// Import makes a new secret with the versions, identities, times and
	// attributes of s, less what Forecast lists. It never touches an existing
	// one: AlreadyExists, or Trashed.
	//
	// A reader sees all of it or nothing where Capabilities.AtomicImport says
	// so. An import that stopped midway returns Partial or Unknown together
	// with an Imported that says which versions stand. A second try with the
	// same token completes what is unfinished; a finished import is a secret
	// like any other, and AlreadyExists.
	Import(ctx context.Context, s *secret.Secret, token string) (*Imported, error)

	// Update applies p to the version that sel picks, and to its secret, and
	// returns the secret's attributes with that one version, without value.
	// The version's Updated moves; its Created does not. Disabled versions
	// can be updated. Two updates at once both take effect, member by member.
	//
	// Kinds: NotFound; Invalid (history.CheckPatch, history.CheckRoles); Lossy with a Detail where the product cannot hold what
	// p asks for (nothing is changed then); Conflict; Unknown; Partial where
	// the product takes several writes and one failed: a second try completes
	// it.
	Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error)

	// What is deleted goes to the trash, recoverably. It is kept in the product: a
	// restart or a second gateway finds it, and native tools do not break it.
	// While a name is in the trash, Get, Describe, Export and Update answer
	// NotFound, List leaves it out, and Put and Import answer Trashed. No method
	// looks at the clock to decide whether something is over: the gateway does.

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

	// Check reports whether the product can be reached and accepts the
	// gateway's credentials. It changes nothing.
	Check(ctx context.Context) error

	// Close may be called more than once.
	Close() error
}

// Imported tells what an import made.
type Imported struct {
	// Secret is as Describe would return it. Nil after an error.
	Secret *secret.Secret
	// Stands are the source's ordinals that are in the product. All, after a
	// success, less those that the forecast gave up.
	Stands []secret.Ordinal
}

// Capabilities are facts about a product as configured. The conformance suite
// checks them in both directions.
type Capabilities struct {
	// Product is the name for reports: "HashiCorp Vault KV v2".
	Product string
	// MaxValue bounds a value in bytes. Zero: no limit.
	MaxValue int
	// MaxVersions bounds the versions of a secret. Zero: no limit.
	MaxVersions int
	// AtomicCreate: OnlyIfAbsent cannot race with another writer.
	AtomicCreate bool
	// AtomicImport: no reader sees a half-done import, and none stays.
	AtomicImport bool
	// FoldsCase: the product ignores the case of names.
	FoldsCase bool
	// Fleet: gateways that share the store may know each other by one of its records
	// (StateStore), which each writes some times a minute for ever: that costs nothing,
	// and leaves nothing behind.
	Fleet bool
	// Durable: what was acknowledged survives the end of the process.
	Durable bool
	// TrashHidesVersions: of what is in the trash the product shows one version
	// alone: the one that its own tools take for the current one.
	TrashHidesVersions bool
	// HidesDisabled: the product shows nobody the value of a disabled version.
	HidesDisabled bool
	// MaxRetention is how long the product keeps what is deleted at most; a
	// later date of a Delete is cut to it. Zero: no limit.
	MaxRetention time.Duration
}
