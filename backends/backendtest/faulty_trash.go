package backendtest

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Faulty has the methods of Updater and Trasher whatever it wraps. Where that
// lacks them they answer Unsupported, as the gateway does for such a backend,
// and neither Before nor After is asked.

func updater(f *Faulty) (backends.Updater, error) {
	if u, ok := f.Backend.(backends.Updater); ok {
		return u, nil
	}
	return nil, secret.Errorf(secret.Unsupported, "%s cannot change attributes yet", f.Capabilities().Product)
}

func trasher(f *Faulty) (backends.Trasher, error) {
	if t, ok := f.Backend.(backends.Trasher); ok {
		return t, nil
	}
	return nil, secret.Errorf(secret.Unsupported, "%s cannot delete yet", f.Capabilities().Product)
}

// Update implements backends.Updater.
func (f *Faulty) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	u, err := updater(f)
	if err != nil {
		return nil, err
	}
	return faulty(ctx, f, "Update", func() (*secret.Secret, error) { return u.Update(ctx, name, sel, p) })
}

// Delete implements backends.Trasher.
func (f *Faulty) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	t, err := trasher(f)
	if err != nil {
		return nil, err
	}
	return faulty(ctx, f, "Delete", func() (*secret.Secret, error) { return t.Delete(ctx, name, purge) })
}

// DescribeTrash implements backends.Trasher.
func (f *Faulty) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	t, err := trasher(f)
	if err != nil {
		return nil, err
	}
	return faulty(ctx, f, "DescribeTrash", func() (*secret.Secret, error) { return t.DescribeTrash(ctx, name) })
}

// ListTrash implements backends.Trasher.
func (f *Faulty) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	t, err := trasher(f)
	if err != nil {
		return secret.Page{}, err
	}
	return faulty(ctx, f, "ListTrash", func() (secret.Page, error) { return t.ListTrash(ctx, q) })
}

// Recover implements backends.Trasher.
func (f *Faulty) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	t, err := trasher(f)
	if err != nil {
		return nil, err
	}
	return faulty(ctx, f, "Recover", func() (*secret.Secret, error) { return t.Recover(ctx, name) })
}

// Purge implements backends.Trasher.
func (f *Faulty) Purge(ctx context.Context, name secret.Name) error {
	t, err := trasher(f)
	if err != nil {
		return err
	}
	_, err = faulty(ctx, f, "Purge", func() (struct{}, error) { return struct{}{}, t.Purge(ctx, name) })
	return err
}
