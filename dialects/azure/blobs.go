package azure

import (
	"bytes"
	"encoding/base64"
	"errors"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func (d *Dialect) backupSecret(q *request) (wire.Reply, error) {
	call := d.call(q.Request)
	call.NativeBlobs = true
	blob, err := d.service.Backup(q.Context(), call, q.ref())
	if err != nil {
		return wire.Reply{}, err
	}
	// Written by hand: a blob may have tens of megabytes.
	const head, tail = `{"value":"`, `"}`
	body := make([]byte, 0, len(head)+base64.RawURLEncoding.EncodedLen(len(blob))+len(tail))
	body = append(body, head...)
	body = base64.RawURLEncoding.AppendEncode(body, blob)
	return answer(append(body, tail...))
}

// restoreSecret answers with the current version, without its value.
func (d *Dialect) restoreSecret(q *request) (wire.Reply, error) {
	call := d.call(q.Request)
	if err := d.service.Ask(q.Context(), call, access.Restore, gateway.Ref{Store: q.store}); err != nil {
		return wire.Reply{}, err
	}
	body, err := q.json()
	if err != nil {
		return wire.Reply{}, err
	}
	blob, err := decodeRestore(body)
	if err != nil {
		return wire.Reply{}, err
	}
	q.Forget()
	call.NativeBlobs = true
	out, err := d.service.Restore(q.Context(), call, q.store, blob, gateway.RestoreOptions{Folder: secret.Name(q.folder)})
	if err != nil {
		return wire.Reply{}, blobError(err, blob)
	}
	v := shownVersion(out.Secret)
	return answer(q.bundleOf(out.Secret, v).withVersion(v))
}

// blobError gives a blob that does not open the shape that its first bytes ask
// for. It keeps err: that has its audit line.
func blobError(err error, blob []byte) error {
	if !errors.Is(err, secret.Corrupt) {
		return err
	}
	var s shape
	switch {
	case ofCloud(blob):
		s = cloudBlob
		s.message = secret.DetailOf(err)
	case otherVersion(blob):
		s = wrongBlob
	default:
		return err
	}
	return &secret.Error{Kind: secret.Corrupt, Detail: secret.DetailOf(err), Err: errors.Join(refusal{shape: s}, err)}
}

// blobPrefix is how long the name of a blob's form is, and the byte that a
// blob begins with: the same in the service's blobs and in ours.
const blobPrefix = 41

// otherVersion tells what is long enough for a blob and names no form from
// what is none at all, as the service does.
func otherVersion(blob []byte) bool { return len(blob) > blobPrefix && blob[0] != blobPrefix }

// ofCloud reports whether a cloud made the blob. It was whole once, and whoever
// sends it deserves to be told what it is.
func ofCloud(blob []byte) bool {
	return bytes.HasPrefix(blob, []byte(")AzureKeyVaultSecretBackup")) || bytes.HasPrefix(blob, []byte(")CloudSecretManagementBackup"))
}
