package backendtest

import (
	"context"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Faulty lets a test script the failures of a real backend. Both functions get
// the method's name ("Put"); nil ones do nothing. Both may block.
type Faulty struct {
	backends.Backend
	// Before runs ahead of each call; its error is returned in place of it.
	Before func(ctx context.Context, method string) error
	// After runs behind each call that succeeded; its error hides the result,
	// as when the answer of a write is lost.
	After func(ctx context.Context, method string) error
}

func faulty[T any](ctx context.Context, f *Faulty, method string, call func() (T, error)) (T, error) {
	var none T
	if f.Before != nil {
		if err := f.Before(ctx, method); err != nil {
			return none, err
		}
	}
	out, err := call()
	if err == nil && f.After != nil {
		if err := f.After(ctx, method); err != nil {
			return none, err
		}
	}
	return out, err
}

// Put implements backends.Backend.
func (f *Faulty) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	return faulty(ctx, f, "Put", func() (*secret.Secret, error) { return f.Backend.Put(ctx, name, d) })
}

// Get implements backends.Backend.
func (f *Faulty) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	return faulty(ctx, f, "Get", func() (*secret.Secret, error) { return f.Backend.Get(ctx, name, sel) })
}

// Describe implements backends.Backend.
func (f *Faulty) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return faulty(ctx, f, "Describe", func() (*secret.Secret, error) { return f.Backend.Describe(ctx, name) })
}

// Export implements backends.Backend.
func (f *Faulty) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return faulty(ctx, f, "Export", func() (*secret.Secret, error) { return f.Backend.Export(ctx, name) })
}

// List implements backends.Backend.
func (f *Faulty) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	return faulty(ctx, f, "List", func() (secret.Page, error) { return f.Backend.List(ctx, q) })
}

// Import implements backends.Backend.
func (f *Faulty) Import(ctx context.Context, s *secret.Secret, token string) (*backends.Imported, error) {
	return faulty(ctx, f, "Import", func() (*backends.Imported, error) { return f.Backend.Import(ctx, s, token) })
}

// Check implements backends.Backend.
func (f *Faulty) Check(ctx context.Context) error {
	_, err := faulty(ctx, f, "Check", func() (struct{}, error) { return struct{}{}, f.Backend.Check(ctx) })
	return err
}
