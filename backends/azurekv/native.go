package azurekv

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.NativeBlobs = (*Backend)(nil)

// nativePrefix begins every backup of a secret that Key Vault makes, whatever
// the version of its form.
const nativePrefix = ")AzureKeyVaultSecretBackup"

// BacksUpNative implements backends.NativeBlobs.
func (b *Backend) BacksUpNative() bool { return b.nativeBackups }

// OwnsBlob implements backends.NativeBlobs.
func (*Backend) OwnsBlob(blob []byte) bool { return bytes.HasPrefix(blob, []byte(nativePrefix)) }

// BackupNative implements backends.NativeBlobs.
func (b *Backend) BackupNative(ctx context.Context, name secret.Name) ([]byte, error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return nil, err
	}
	r, err := b.client.sdk.BackupSecret(ctx, wire, nil)
	switch {
	case err != nil:
		return nil, failure(ctx, readOp("backup", name), false, err)
	case !b.OwnsBlob(r.Value):
		return nil, &secret.Error{Kind: secret.Unsupported, Op: "azurekv.backup", Name: name, Detail: "the endpoint's backups are not Key Vault's own: set backup_form to portable"}
	}
	return r.Value, nil
}

// RestoreNative implements backends.NativeBlobs. It waits while the vault is
// not done with a deletion or a purge of the name, and then until the secret
// can be read: what the answer shows is all versions if that comes in time,
// else the current one.
//
// The name's other writers in this process cannot be made to wait, for nobody
// knows the name; the vault refuses to restore over what is there.
func (b *Backend) RestoreNative(ctx context.Context, blob []byte) (*secret.Secret, error) {
	it, err := b.client.restore(ctx, blob)
	if err != nil {
		return nil, err
	}
	wire := strings.ToLower(it.name)
	name, err := naming.Decode(wire)
	if err != nil { // it stands, under a name that no gateway can say
		return nil, &secret.Error{Kind: secret.Unknown, Op: "azurekv.restore", Err: kit.ErrMalformed}
	}
	b.listing.Enter(name, it)
	h, err := b.awaitLive(ctx, name, wire)
	if err != nil {
		h = newStored(b.origin, name, []item{it}, it.id)
	}
	return h.Clone(), nil
}

// restore makes the write. The vault's refusal over a live secret, over a
// deleted one and over one that is still being purged is the same, and names
// the secret in its text alone: that is read for where to look, and goes no
// further.
func (c client) restore(ctx context.Context, blob []byte) (it item, err error) {
	err = unlessRefused(ctx, writeOp("restore", ""), func(ctx context.Context) error {
		r, err := c.sdk.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
		if err != nil {
			return err
		}
		if it, err = itemOf(&r.Secret); err == nil && it.id == "" {
			err = kit.ErrMalformed
		}
		return err
	}, func(raw, failed error) (bool, error) {
		err := c.whyNotRestored(ctx, raw, failed)
		return kit.Is(err, secret.Conflict), err
	})
	return it, err
}

const (
	badBackup = "Key Vault refuses this backup: it is damaged, or comes from another subscription or geography"
	heldName  = "the name in the backup is taken, or Key Vault is not done with it yet"
)

// whyNotRestored tells the refusals apart. Conflict: worth another try.
func (c client) whyNotRestored(ctx context.Context, raw, failed error) error {
	o := writeOp("restore", "")
	a, ok := errors.AsType[*kit.Answer](failed)
	switch {
	case ok && a.Status == http.StatusBadRequest:
		return o.Error(secret.Corrupt, badBackup+a.Told(), a)
	case !ok || a.Status != http.StatusConflict || isBusy(failed):
		return failed
	}
	held := o.Error(secret.AlreadyExists, heldName, a)
	name, wire, ok := conflictName(raw)
	if !ok {
		return held
	}
	held.Name = name
	live, err := c.versions(ctx, name, wire, nothing)
	if err == nil && len(live) == 0 {
		_, err = c.getDeleted(ctx, name, wire)
		switch {
		case err == nil:
			held.Kind, held.Detail = secret.Trashed, ""
		case kit.Is(err, secret.NotFound): // neither here nor there
			held.Kind, held.Detail = secret.Conflict, secret.DetailOf(failed)
		}
	}
	return held
}

// conflictName finds the secret in the text of a refused restore, which quotes
// the id of a version.
func conflictName(err error) (name secret.Name, wire string, ok bool) {
	re, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return "", "", false
	}
	_, rest, _ := strings.Cut(bodyOf(re).Error.Message, "'")
	id, _, closed := strings.Cut(rest, "'")
	spelled, _, ok := parseID(id)
	if !closed || !ok {
		return "", "", false
	}
	wire = strings.ToLower(spelled)
	name, err = naming.Decode(wire)
	return name, wire, err == nil
}
