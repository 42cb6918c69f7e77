package gateway

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// A product's own backup passes through the gateway unopened: only the product
// knows what is in it. So
//
//   - It is handed out only through a door that can take it back: an API whose
//     clients know it (Call.NativeBlobs), over the whole store. Whoever sees a
//     folder alone could not restore it, for nobody can put what is in it into
//     that folder. They get a portable blob, as they do from any other store.
//   - To restore one takes a rule that allows restore on every name ("*") from
//     everywhere (`from: ["*"]`). The name cannot be read beforehand, so a rule
//     for some names cannot be held; and where it came from is nobody's word at
//     all, less even than that of another gateway, which "*" stands for.
//   - There are no losses to foretell, and nothing to rehearse, rename or
//     append.
//   - The line of intent has no name; that of the outcome has the one that the
//     product told. Both say that the form is native.
//   - A repeat of a restore whose outcome is unknown is answered with what the
//     product says, "already exists" if it landed: nothing proves that what
//     stands came out of the blob.
//
// Danger: who has such a backup can restore it into any vault that the product
// takes it in, past this gateway, its policy and its audit.

// formNative is audit.Entry.Form of such a blob.
const formNative = "native"

func (j *job) backsUpNative() bool {
	return j.native != nil && j.call.NativeBlobs && j.ref.Folder == "" && j.native.BacksUpNative()
}

func (s *Service) backupNative(ctx context.Context, j *job) ([]byte, error) {
	j.entry.Form = formNative
	return j.native.BackupNative(ctx, j.ref.Name)
}

// takesNative reports whether the blob goes to the product as it is.
func (j *job) takesNative(blob []byte) bool {
	return j.native != nil && j.call.NativeBlobs && j.native.OwnsBlob(blob)
}

func (s *Service) restoreNative(ctx context.Context, j *job, blob []byte, o RestoreOptions) (*Outcome, error) {
	j.entry.Form, j.entry.DryRun = formNative, o.DryRun
	if !s.policy.AllowRestoreAny(j.call.Caller, j.Name) {
		return nil, secret.Errorf(secret.Denied, "no permission to restore every secret of this store from everywhere, which a backup needs that the product made: its name and origin cannot be read")
	}
	if err := o.checkNative(); err != nil {
		return nil, err
	}
	if err := s.intend(j); err != nil {
		return nil, err
	}
	sec, err := j.native.RestoreNative(ctx, blob)
	if name := nameOf(err); name != "" && errors.Is(err, secret.Trashed) && s.purgeExpired(ctx, j, name) {
		sec, err = j.native.RestoreNative(ctx, blob)
	}
	if err != nil {
		j.entry.Name = string(nameOf(err))
		return nil, err
	}
	j.entry.Name = string(sec.Name)
	j.sawVersions(sec)
	s.afterWrite(ctx, j, hook.Restore, sec)
	return &Outcome{Secret: sec, Versions: sameOrdinals(sec)}, nil
}

// checkNative refuses what cannot be done with a blob that nobody here reads.
func (o *RestoreOptions) checkNative() error {
	refuse := func(what string) error {
		return secret.Errorf(secret.Unsupported, "a backup that the product made restores under the name in it, as it is: there is no %s", what)
	}
	switch {
	case o.As != "":
		return refuse("other name for it")
	case o.Folder != "":
		return refuse("folder to put it into; restore it where the whole store is seen")
	case o.DryRun:
		return refuse("telling beforehand what it would do")
	case o.OnConflict != "" && o.OnConflict != ConflictFail:
		return refuse("skipping or appending")
	case o.CheckName != nil:
		return refuse("telling beforehand whether this API can spell it")
	}
	return nil
}

// nameOf is the secret that an error is about, if it says.
func nameOf(err error) secret.Name {
	if e, ok := errors.AsType[*secret.Error](err); ok {
		return e.Name
	}
	return ""
}
