package azure

import (
	"encoding/base64"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

func (d *Dialect) backupSecret(q *request) (wire.Reply, error) {
	blob, err := d.service.Backup(q.Context(), d.call(q.Request), q.ref())
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
	body, err := q.Body()
	if err != nil {
		return wire.Reply{}, err
	}
	blob, err := decodeRestore(body)
	if err != nil {
		return wire.Reply{}, err
	}
	out, err := d.service.Restore(q.Context(), d.call(q.Request), q.store, blob, gateway.RestoreOptions{})
	if err != nil {
		return wire.Reply{}, err
	}
	v := out.Secret.Find(secret.Current)
	if v == nil {
		v = out.Secret.Newest()
	}
	return answer(q.bundleOf(out.Secret, v).withVersion(v))
}
