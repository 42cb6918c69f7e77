package backendtest

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Update implements backends.Backend.
func (f *Faulty) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	return faulty(ctx, f, "Update", func() (*secret.Secret, error) { return f.Backend.Update(ctx, name, sel, p) })
}

// Delete implements backends.Backend.
func (f *Faulty) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	return faulty(ctx, f, "Delete", func() (*secret.Secret, error) { return f.Backend.Delete(ctx, name, purge) })
}

// DescribeTrash implements backends.Backend.
func (f *Faulty) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return faulty(ctx, f, "DescribeTrash", func() (*secret.Secret, error) { return f.Backend.DescribeTrash(ctx, name) })
}

// ListTrash implements backends.Backend.
func (f *Faulty) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return faulty(ctx, f, "ListTrash", func() (secret.Page, error) { return f.Backend.ListTrash(ctx, q) })
}

// Recover implements backends.Backend.
func (f *Faulty) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return faulty(ctx, f, "Recover", func() (*secret.Secret, error) { return f.Backend.Recover(ctx, name) })
}

// Purge implements backends.Backend.
func (f *Faulty) Purge(ctx context.Context, name secret.Name) error {
	_, err := faulty(ctx, f, "Purge", func() (struct{}, error) { return struct{}{}, f.Backend.Purge(ctx, name) })
	return err
}

// state is the optional part of the backend; the tests that use it have one.
func (f *Faulty) state() backends.StateStore {
	s, ok := f.Backend.(backends.StateStore)
	if !ok {
		panic("the backend keeps no records")
	}
	return s
}

// ReadState implements backends.StateStore.
func (f *Faulty) ReadState(ctx context.Context, key string) (record []byte, revision string, err error) {
	type read struct {
		record   []byte
		revision string
	}
	r, err := faulty(ctx, f, "ReadState", func() (read, error) {
		record, revision, err := f.state().ReadState(ctx, key)
		return read{record, revision}, err
	})
	return r.record, r.revision, err
}

// WriteState implements backends.StateStore.
func (f *Faulty) WriteState(ctx context.Context, key string, record []byte, revision string) error {
	_, err := faulty(ctx, f, "WriteState", func() (struct{}, error) {
		return struct{}{}, f.state().WriteState(ctx, key, record, revision)
	})
	return err
}
