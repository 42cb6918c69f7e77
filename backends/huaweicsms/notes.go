package huaweicsms

import (
	"context"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// ReadNote implements backends.Notebook. A note is the newest version of a
// secret of a reserved name.
func (b *Backend) ReadNote(ctx context.Context, key string) ([]byte, string, error) {
	if err := backends.CheckNoteKey(key); err != nil {
		return nil, "", err
	}
	newest, err := b.newestNote(ctx, key)
	if err != nil {
		return nil, "", err
	}
	_, c, err := b.client.value(ctx, "", notePrefix+key, newest)
	return c.text, newest, err
}

func (b *Backend) newestNote(ctx context.Context, key string) (string, error) {
	all, err := b.client.versions(ctx, "", notePrefix+key)
	switch {
	case err != nil:
		return "", err
	case len(all) == 0:
		return "", &secret.Error{Kind: secret.NotFound, Op: "huaweicsms.note"}
	}
	return idOf(all[len(all)-1].number), nil
}

// WriteNote implements backends.Notebook. The product has no conditional
// write but for the first version: this reads, compares and writes. Writers of
// this process wait for each other; of two gateways that write one note in the
// same moment, the later undoes the other's. The product keeps twenty versions.
//
// A note whose deletion native tools have scheduled can be neither read nor
// written until that is cancelled, or over.
func (b *Backend) WriteNote(ctx context.Context, key string, text []byte, revision string) error {
	if err := backends.CheckNote(key, text); err != nil {
		return err
	}
	release, err := b.turns.Take(ctx, secret.Name("\n"+notePrefix+key)) // no secret's name begins so
	if err != nil {
		return err
	}
	defer release()
	newest, err := b.newestNote(ctx, key)
	if err != nil && !is(err, secret.NotFound) {
		return err
	}
	conflict := &secret.Error{Kind: secret.Conflict, Op: "huaweicsms.write_note"}
	if newest != revision {
		return conflict
	}
	w := writer{client: b.client, wire: notePrefix + key}
	if newest != "" {
		_, err = w.append(ctx, secret.TextValue(string(text)), 0, nil)
		return err
	}
	if _, err = w.create(ctx, secret.TextValue(string(text)), "", b.key, b.project); is(err, secret.AlreadyExists) {
		return conflict
	}
	return err
}
