package backendtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// canary begins every text value that the suite writes, so that one which got
// into an error is found.
const canary = "canary-"

func text(s string) secret.Draft { return secret.Draft{Value: secret.TextValue(s)} }

func put(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, d secret.Draft) *secret.Version {
	t.Helper()
	return &putSecret(ctx, t, b, name, d).Versions[0]
}

func putSecret(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, d secret.Draft) *secret.Secret {
	t.Helper()
	s, err := b.Put(ctx, name, d)
	if err != nil {
		t.Fatalf("Put %q: %v", name, checkErr(t, err))
	}
	if s.Name != name || len(s.Versions) != 1 {
		t.Fatalf("Put %q returned %q with %d versions", name, s.Name, len(s.Versions))
	}
	return s
}

func get(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, sel secret.Selector) *secret.Version {
	t.Helper()
	return &getSecret(ctx, t, b, name, sel).Versions[0]
}

func getSecret(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, sel secret.Selector) *secret.Secret {
	t.Helper()
	s, err := b.Get(ctx, name, sel)
	if err != nil {
		t.Fatalf("Get %q %v: %v", name, sel, checkErr(t, err))
	}
	if s.Name != name || len(s.Versions) != 1 {
		t.Fatalf("Get %q returned %q with %d versions", name, s.Name, len(s.Versions))
	}
	return s
}

// getCurrent is a Get of current. What it may leave out is zero or right; whole,
// which was read otherwise, says what is right, and that takes the place of what
// is left out.
func getCurrent(ctx context.Context, t *testing.T, b backends.Backend, whole *secret.Secret) *secret.Secret {
	t.Helper()
	s := getSecret(ctx, t, b, whole.Name, secret.Current)
	if s.Previous == 0 {
		s.Previous = whole.Previous
	}
	if s.Created.IsZero() {
		s.Created = whole.Created
	}
	if s.Updated.IsZero() {
		s.Updated = whole.Updated
	}
	return s
}

func export(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name) *secret.Secret {
	t.Helper()
	s, err := b.Export(ctx, name)
	if err != nil {
		t.Fatalf("Export %q: %v", name, checkErr(t, err))
	}
	return s
}

func describe(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name) *secret.Secret {
	t.Helper()
	s, err := b.Describe(ctx, name)
	if err != nil {
		t.Fatalf("Describe %q: %v", name, checkErr(t, err))
	}
	return s
}

func mustImport(ctx context.Context, t *testing.T, b backends.Backend, s *secret.Secret, token string) *backends.Imported {
	t.Helper()
	done, err := b.Import(ctx, s, token)
	if err != nil {
		t.Fatalf("Import %q: %v", s.Name, checkErr(t, err))
	}
	return done
}

// single returns a secret with one version, as a Put of d would make it, to
// ask Forecast about.
func single(name secret.Name, d secret.Draft) *secret.Secret {
	v := secret.Version{
		Ordinal: 1, UID: secret.DeriveUID("single", string(name), "1", sampleTime), Value: d.Value, Missing: d.Missing,
		ContentType: d.ContentType, Tags: d.Tags, Disabled: d.Disabled, NotBefore: d.NotBefore, Expires: d.Expires,
		Created: sampleTime, Updated: sampleTime, Stages: d.Stages, Extra: d.Extra,
	}
	s := &secret.Secret{Name: name, Created: sampleTime, Updated: sampleTime, Current: 1, Versions: []secret.Version{v}}
	if a := d.OfSecret; a != nil {
		s.Description, s.Tags, s.Extra = a.Description, a.Tags, a.Extra
	}
	return s.Clone()
}

// tryPut writes d. A store may refuse what it foretells to lose, and nothing
// else; then the result is nil. What it holds is d less the losses.
func tryPut(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, d secret.Draft) (got, want *secret.Secret) {
	t.Helper()
	s := single(name, d)
	losses := b.Forecast(s)
	got, err := b.Put(ctx, name, d)
	if err == nil {
		return got, loss.Apply(s, losses)
	}
	_ = checkErr(t, err, secret.Invalid, secret.TooLarge, secret.Unsupported)
	if secret.Worst(losses) < secret.Meaning {
		t.Errorf("Put is refused though no loss is foretold: %v", err)
	}
	return nil, nil
}

// sameContent is Differences for what a Put decides: no times, no identity.
func sameContent(t *testing.T, what string, want, got *secret.Secret) {
	t.Helper()
	w, g := want.Clone(), got.Clone()
	w.Created, w.Updated, w.Current, w.Previous = g.Created, g.Updated, g.Current, g.Previous
	if len(g.Versions) != 1 || len(w.Versions) != 1 {
		t.Errorf("%s: %d versions, want %d", what, len(g.Versions), len(w.Versions))
		return
	}
	wv, gv := &w.Versions[0], &g.Versions[0]
	wv.Ordinal, wv.UID, wv.Created, wv.Updated = gv.Ordinal, gv.UID, gv.Created, gv.Updated
	for _, d := range Differences(w, g, nil) {
		t.Errorf("%s: %s", what, d)
	}
}

// names lists the whole store, limit names a page.
func names(ctx context.Context, t *testing.T, b backends.Backend, limit int) []secret.Name {
	t.Helper()
	return namesBy(ctx, t, b.List, limit)
}

func namesBy(ctx context.Context, t *testing.T, list func(context.Context, secret.Query) (secret.Page, error), limit int) []secret.Name {
	t.Helper()
	var out []secret.Name
	for q := (secret.Query{Limit: limit}); ; {
		p, err := list(ctx, q)
		if err != nil {
			t.Fatalf("List after %q: %v", q.After, checkErr(t, err))
		}
		if limit > 0 && len(p.Secrets) > limit {
			t.Errorf("a page of at most %d holds %d", limit, len(p.Secrets))
		}
		for _, s := range p.Secrets {
			out = append(out, s.Name)
		}
		if p.Next == "" {
			return out
		}
		if p.Next <= q.After {
			t.Fatalf("the page after %q says that %q comes next", q.After, p.Next)
		}
		q.After = p.Next
	}
}

// checkErr proves what must be true of every error and returns it. With kinds,
// the error must be of one of them.
func checkErr(t *testing.T, err error, kinds ...secret.Kind) error {
	t.Helper()
	var e *secret.Error
	if !errors.As(err, &e) {
		t.Errorf("the error is a %T, not a *secret.Error: %v", err, err)
		return err
	}
	if len(kinds) > 0 && !slices.Contains(kinds, e.Kind) {
		t.Errorf("the error is %q, want one of %v: %v", e.Kind.Error(), kinds, err)
	}
	for _, k := range secret.Kinds() {
		if k != e.Kind && errors.Is(err, k) {
			t.Errorf("the error is %q and %q at once: %v", e.Kind.Error(), k.Error(), err)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Error("the error holds a value")
	}
	var inner *secret.Error
	if e.Err != nil && !errors.As(e.Err, &inner) && e.Err.Error() != "" && strings.Contains(e.Detail, e.Err.Error()) {
		t.Errorf("the detail for clients repeats the cause: %v", err)
	}
	return err
}

// wantErr fails unless err is of one of the kinds.
func wantErr(t *testing.T, what string, err error, kinds ...secret.Kind) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want one of %v", what, kinds)
		return
	}
	_ = checkErr(t, err, kinds...)
}
