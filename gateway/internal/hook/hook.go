// Package hook is what the core of the gateway shows to the parts that stand
// around it, such as gateway/events.
//
// It is internal: no dialect, backend or command can name a Job, so none can
// write the function that gateway.Do runs, nor an Observer. Whoever holds a Job
// is past the authorisation of its call.
package hook

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Job is one call that the core has authorised, and audits, bounds and retries.
// It reads attributes and never a value, and writes no secret.
type Job interface {
	// Store is the name of the store that the call is about.
	Store() string
	ReadOnly() bool
	// Now is the gateway's clock.
	Now() time.Time

	// Allowed reports whether the caller may do to this name what the call does.
	Allowed(name secret.Name) bool
	// List and Describe are those of the backend.
	//
	// Danger: they show every name, whoever may see it. What is answered to the
	// caller must pass Allowed.
	List(ctx context.Context, q secret.Query) (secret.Page, error)
	Describe(ctx context.Context, name secret.Name) (*secret.Secret, error)

	// StateStore is that of the backend. Unsupported: it has none. WriteState
	// is Denied where the store is read-only.
	backends.StateStore

	// Repeats reports whether the call repeats one whose outcome is unknown.
	Repeats() bool
	// Remember keeps how the call's write ended, for a repeat to come.
	Remember(err error)

	// Warn writes a line to the gateway's log. name may be empty.
	Warn(ctx context.Context, msg string, name secret.Name, err error)
}

// Observer sees the writes to the secrets of every store. It changes nothing of
// what it is shown.
type Observer interface {
	// Before sees a put or an update that is about to be made. Its error refuses
	// the write. It is called again where the write is tried again.
	Before(ctx context.Context, j Job, i Intent) error

	// Restoring sees a secret that a restore is about to make, or its dry run,
	// and tells what of it means nothing in this store: that is left out.
	Restoring(ctx context.Context, j Job, s *secret.Secret) ([]secret.Loss, error)

	// After hears of a write that is done, and cannot fail any more. The answer
	// to the client waits for it.
	After(ctx context.Context, j Job, op Op, s *secret.Secret)
}

// Intent is what a write would make of a secret's own attributes.
type Intent struct {
	// Secret is what stands, without values. Nil where the operation does not
	// look at it.
	Secret *secret.Secret
	// OfSecret and MergeExtra are those of a put's draft.
	OfSecret   *secret.Attributes
	MergeExtra map[string]json.RawMessage
	// Patch is that of an update. Nil: it is a put.
	Patch *secret.Patch
}

// Op is what a write does.
type Op string

// The writes, and what After sees of the secret. There are never values in it.
const (
	Put     Op = "put"     // the versions that were added; ordinal 1: the secret was made
	Append  Op = "append"  // those that a restore added, which may be as old as its backup
	Update  Op = "update"  // the version that was changed
	Delete  Op = "delete"  // what the trash shows
	Recover Op = "recover" // all versions
	Restore Op = "restore" // all versions: a backup made the secret
	Purge   Op = "purge"   // what the trash showed
)
