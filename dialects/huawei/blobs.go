package huawei

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *api) downloadBlob(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	blob, err := a.svc.Backup(r.Context(), r.call, ref)
	if err != nil {
		return nil, err
	}
	return blobBody{blob}, nil
}

func (a *api) uploadBlob(r *request) (any, error) {
	if err := a.svc.Ask(r.Context(), r.call, access.Restore, gateway.Ref{Store: r.store}); err != nil {
		return nil, err
	}
	var body blobBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	blob := bytes.Trim(body.Blob, wire.Blanks)
	if err := checkWrapping(blob); err != nil {
		return nil, err
	}
	r.Forget()
	out, err := a.svc.Restore(r.Context(), r.call, r.store, blob, gateway.RestoreOptions{CheckName: speakable})
	if err != nil {
		return nil, err
	}
	return a.answerSecret(r, out.Secret)
}

// How the backups begin that this gateway did not make.
const (
	realHuawei = ")CloudSecretManagementBackup"
	realAzure  = ")AzureKeyVaultSecretBackup"
)

// checkWrapping tells apart what people upload by mistake. A backup starts
// with a parenthesis here; Azure's clients hold it in base64url.
func checkWrapping(blob []byte) error {
	switch {
	case len(blob) == 0:
		return secret.Errorf(secret.Invalid, "secret_blob is empty")
	case bytes.HasPrefix(blob, []byte(realHuawei)):
		return secret.Errorf(secret.Invalid, "this backup was made by Huawei Cloud, which alone can restore it")
	case blob[0] == ')':
		return nil
	}
	head := blob[:min(len(blob), 44)]
	b, _ := base64.RawURLEncoding.DecodeString(string(head[:len(head)/4*4]))
	switch {
	case strings.HasPrefix(string(b), realAzure):
		return secret.Errorf(secret.Invalid, "this backup was made by Azure Key Vault, which alone can restore it")
	case strings.HasPrefix(string(b), ")"):
		return secret.Errorf(secret.Invalid, "this backup is in the base64url form of Azure's clients: decode it first")
	}
	return secret.Errorf(secret.Invalid, "secret_blob is not a backup")
}
