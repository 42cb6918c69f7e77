package huaweicsms

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// stateDescription tells those who look with native tools whose secret a state
// record is.
const stateDescription = "a record of vaultferry; leave it alone"

// stateSecret holds a state record.
func (b *Backend) stateSecret(key string) remote { return remote{b.client, "", statePrefix + key} }

// ReadState implements backends.StateStore. The revision is the product's id of
// the current version.
func (b *Backend) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", err
	}
	number, c, err := b.stateSecret(key).value(ctx, latest)
	if kit.Is(err, secret.Trashed) {
		err = op("read_state", "").Error(secret.NotFound, "", secret.Cause(err))
	}
	if err != nil {
		return nil, "", err
	}
	return c.text, idOf(number), nil
}

// WriteState implements backends.StateStore. The product makes one secret of a
// name, and numbers versions one by one: of two gateways that write one state
// record in the same moment, the one whose number is not the next gives the
// current role back to the other's, and says Conflict. A reader in between may
// have seen it.
//
// Trashed: native tools have deleted the state record, and must recover or
// purge it.
func (b *Backend) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	if err := kit.CheckState(key, text); err != nil {
		return err
	}
	r := b.stateSecret(key)
	release, err := b.locks.Lock(ctx, secret.Name("\n"+r.wire)) // no secret's name begins so
	if err != nil {
		return err
	}
	defer release()
	f := new(facts)
	if f.versions, err = r.versions(ctx); unlessAbsent(err) != nil {
		return err
	}
	have := ""
	if n := f.holder(sysCurrent); n != 0 {
		have = idOf(n)
	}
	conflict := op("write_state", "").Error(secret.Conflict, "", nil)
	switch {
	case have != revision:
		return conflict
	case have == "":
		_, err := r.createFree(ctx, secret.TextBytes(text), stateDescription)
		if errors.Is(err, errTaken) {
			return conflict
		}
		return err
	}
	made, err := r.append(ctx, secret.TextBytes(text), 0, nil)
	if err != nil || made.number == f.highest()+1 {
		return err
	}
	w := writer{r, f}
	if err := w.label(ctx, sysCurrent, f.highest()+1); err != nil {
		return op("write_state", "").Error(secret.Unknown, "another writer came first, and may be undone", secret.Cause(err))
	}
	return conflict
}
