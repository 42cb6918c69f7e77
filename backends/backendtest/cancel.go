package backendtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// prompt is how soon a call must return after its caller has gone. It is far
// above what any needs, so that a busy machine fails nothing.
const prompt = time.Minute

func testCancelled(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	put(ctx, t, b, "s", text(canary+"x"))
	before := export(ctx, t, b, "s")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for what, call := range map[string]func() error{
		"Put":      func() error { _, err := b.Put(gone, "s", text(canary+"y")); return err },
		"Put new":  func() error { _, err := b.Put(gone, "new", text(canary+"y")); return err },
		"Get":      func() error { _, err := b.Get(gone, "s", secret.Current); return err },
		"Describe": func() error { _, err := b.Describe(gone, "s"); return err },
		"Export":   func() error { _, err := b.Export(gone, "s"); return err },
		"List":     func() error { _, err := b.List(gone, secret.Query{}); return err },
		"Import":   func() error { _, err := b.Import(gone, Sample("new"), "token"); return err },
		"Check":    func() error { return b.Check(gone) },
	} {
		err := call()
		wantErr(t, what+" for a caller who has gone", err, secret.Unavailable, secret.Unknown)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the error does not say that the caller has gone: %v", what, err)
		}
	}
	Compare(t, before, export(ctx, t, b, "s"), nil)
	if got := names(ctx, t, b, 0); len(got) != 1 {
		t.Errorf("the store holds %d secrets after cancelled calls, want 1", len(got))
	}
}

// testCancelledMidway: a call that loses its caller midway returns soon, what
// it acknowledged is there, and a second try of an import completes it.
func testCancelledMidway(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	put(ctx, t, b, "s", text(canary+"0"))
	acknowledged := map[secret.Ordinal]secret.Value{}
	delay := 20 * time.Microsecond
	for i := range 10 {
		d := text(fmt.Sprint(canary, i+1))
		if s, err := hurried(ctx, t, delay, func(ctx context.Context) (*secret.Secret, error) { return b.Put(ctx, "s", d) }); err == nil {
			acknowledged[s.Versions[0].Ordinal] = d.Value
		}
		sample := Sample(secret.Name(fmt.Sprint("import-", i)))
		_, err := hurried(ctx, t, delay, func(ctx context.Context) (*backends.Imported, error) { return b.Import(ctx, sample, "token") })
		if err != nil {
			checkAtomic(ctx, t, b, sample)
			if _, err := b.Import(ctx, sample, "token"); err != nil && !errors.Is(err, secret.AlreadyExists) {
				t.Errorf("the second try of an import: %v", checkErr(t, err))
			}
		}
		Compare(t, sample, export(ctx, t, b, sample.Name), b.Forecast(sample))
		delay *= 2
	}
	s := export(ctx, t, b, "s")
	for o, want := range acknowledged {
		if o < s.Versions[0].Ordinal && !room(b, int(s.Newest().Ordinal)) { // it made room
			continue
		}
		if v := s.Find(secret.ByOrdinal(o)); v == nil || !v.Value.Equal(want) {
			t.Errorf("version %d was acknowledged and is not there as written", o)
		}
	}
}

func hurried[T any](ctx context.Context, t *testing.T, delay time.Duration, call func(context.Context) (T, error)) (T, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, delay)
	defer cancel()
	start := time.Now()
	out, err := call(ctx)
	if took := time.Since(start); took > delay+prompt {
		t.Errorf("a call returned %v after its caller had gone", took-delay)
	}
	if err != nil {
		_ = checkErr(t, err, secret.Unavailable, secret.Unknown, secret.Partial)
	}
	return out, err
}

// checkAtomic proves, of an import that failed, that a reader of a store with
// AtomicImport sees nothing or all.
func checkAtomic(ctx context.Context, t *testing.T, b backends.Backend, s *secret.Secret) {
	t.Helper()
	if !b.Capabilities().AtomicImport {
		return
	}
	got, err := b.Export(ctx, s.Name)
	if err != nil {
		wantErr(t, "Export after a failed import", err, secret.NotFound)
		return
	}
	Compare(t, s, got, b.Forecast(s))
}
