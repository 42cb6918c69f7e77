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

// ReadState implements backends.StateStore. The revision is the product's id of
// the current version.
func (b *Backend) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", err
	}
	number, c, err := b.client.value(ctx, "", statePrefix+key, latest)
	if is(err, secret.Trashed) {
		err = &secret.Error{Kind: secret.NotFound, Op: "huaweicsms.read_state", Err: secret.Cause(err)}
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
	wire := statePrefix + key
	release, err := b.locks.Lock(ctx, secret.Name("\n"+wire)) // no secret's name begins so
	if err != nil {
		return err
	}
	defer release()
	versions, err := b.client.versions(ctx, "", wire)
	if err != nil && !is(err, secret.NotFound) {
		return err
	}
	f := &facts{versions: versions}
	have := ""
	if n := f.holder(sysCurrent); n != 0 {
		have = idOf(n)
	}
	w := b.writer("", wire)
	switch {
	case have != revision:
		return stateConflict(nil)
	case have == "":
		_, err = w.create(ctx, secret.TextValue(string(text)), stateDescription, b.key, b.project)
		if err = b.taken(ctx, "", wire, err); errors.Is(err, errTaken) {
			return stateConflict(errTaken)
		}
		return err
	}
	made, err := w.append(ctx, secret.TextValue(string(text)), 0, nil)
	if err != nil || made.number == f.highest()+1 {
		return err
	}
	if err := w.label(ctx, sysCurrent, f.highest()+1); err != nil {
		return &secret.Error{Kind: secret.Unknown, Op: "huaweicsms.write_state", Detail: "another writer came first, and may be undone", Err: secret.Cause(err)}
	}
	return stateConflict(nil)
}

func stateConflict(cause error) error {
	return &secret.Error{Kind: secret.Conflict, Op: "huaweicsms.write_state", Err: cause}
}
