package backendtest

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Update implements backends.Updater.
func (f *Faulty) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	return faulty(ctx, f, "Update", func() (*secret.Secret, error) { return f.Backend.Update(ctx, name, sel, p) })
}

// Delete implements backends.Trasher.
func (f *Faulty) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	return faulty(ctx, f, "Delete", func() (*secret.Secret, error) { return f.Backend.Delete(ctx, name, purge) })
}

// DescribeTrash implements backends.Trasher.
func (f *Faulty) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return faulty(ctx, f, "DescribeTrash", func() (*secret.Secret, error) { return f.Backend.DescribeTrash(ctx, name) })
}

// ListTrash implements backends.Trasher.
func (f *Faulty) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return faulty(ctx, f, "ListTrash", func() (secret.Page, error) { return f.Backend.ListTrash(ctx, q) })
}

// Recover implements backends.Trasher.
func (f *Faulty) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return faulty(ctx, f, "Recover", func() (*secret.Secret, error) { return f.Backend.Recover(ctx, name) })
}

// Purge implements backends.Trasher.
func (f *Faulty) Purge(ctx context.Context, name secret.Name) error {
	_, err := faulty(ctx, f, "Purge", func() (struct{}, error) { return struct{}{}, f.Backend.Purge(ctx, name) })
	return err
}

// ReadNote implements backends.Notebook.
func (f *Faulty) ReadNote(ctx context.Context, key string) (note []byte, revision string, err error) {
	type read struct {
		note     []byte
		revision string
	}
	r, err := faulty(ctx, f, "ReadNote", func() (read, error) {
		note, revision, err := f.Backend.ReadNote(ctx, key)
		return read{note, revision}, err
	})
	return r.note, r.revision, err
}

// WriteNote implements backends.Notebook.
func (f *Faulty) WriteNote(ctx context.Context, key string, note []byte, revision string) error {
	_, err := faulty(ctx, f, "WriteNote", func() (struct{}, error) {
		return struct{}{}, f.Backend.WriteNote(ctx, key, note, revision)
	})
	return err
}
