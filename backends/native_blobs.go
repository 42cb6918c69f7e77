package backends

import (
	"context"

	"github.com/vaultferry/vaultferry/secret"
)

// NativeBlobs is an optional part of a Backend: that of a product which makes
// backups of its own, that nothing else can open. They pass through the
// gateway as they are. What is in one, its name even, is known to the product
// alone.
type NativeBlobs interface {
	// BacksUpNative reports whether the store is configured to hand out the
	// product's own backups.
	BacksUpNative() bool

	// OwnsBlob reports whether a blob is of the product's own making, by its
	// first bytes. It proves nothing.
	OwnsBlob(blob []byte) bool

	// BackupNative returns the product's own backup of a secret.
	//
	// Kinds: NotFound, and those of any read; Unsupported where what the
	// product answers is none that OwnsBlob knows.
	BackupNative(ctx context.Context, name secret.Name) ([]byte, error)

	// RestoreNative makes a secret from the product's own backup, under the
	// name that is sealed in it, and returns it as Describe would. It never
	// touches an existing one.
	//
	// Kinds: AlreadyExists and Trashed, with the Name where the product tells
	// it; Conflict, where the product is not done with the name in the time
	// there is; Corrupt; and Unknown.
	RestoreNative(ctx context.Context, blob []byte) (*secret.Secret, error)
}
