package azurekv

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// stateType tells those who look with native tools whose secret a state record
// is.
const stateType = "application/vnd.vaultferry.state+json"

// ReadState implements backends.StateStore. The revision is the product's id of
// the version.
func (b *Backend) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", err
	}
	it, text, err := b.client.get(ctx, "", statePrefix+key, "")
	if err != nil {
		return nil, "", err
	}
	return []byte(text), it.id, nil
}

// WriteState implements backends.StateStore. The product has no conditional
// write: this reads, compares and writes. Writers of this process wait for each
// other; of two gateways that write one state record in the same moment, the
// later undoes the other's. Each write is one more version in the vault, and
// the vault offers no way to remove the older ones.
//
// Trashed: native tools have deleted the state record, and must recover or
// purge it.
func (b *Backend) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	if err := kit.CheckState(key, text); err != nil {
		return err
	}
	release, err := b.locks.Lock(ctx, secret.Name("\n"+statePrefix+key)) // no secret's name begins so
	if err != nil {
		return err
	}
	defer release()
	it, _, err := b.client.get(ctx, "", statePrefix+key, "")
	switch {
	case err != nil && !kit.Is(err, secret.NotFound):
		return err
	case it.id != revision:
		return writeOp("write_state", "").Error(secret.Conflict, "", nil)
	}
	_, err = b.client.set(ctx, "", statePrefix+key, azsecrets.SetSecretParameters{Value: new(string(text)), ContentType: new(stateType)})
	return err
}
