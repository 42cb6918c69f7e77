package backendtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// oddVersions are what people really have, and what products have no place for
// or reserve. A store holds each of them, or foretells what it does not.
func oddVersions() map[string]secret.Draft {
	long := func(n int) map[string]string {
		return map[string]string{strings.Repeat("k", n): strings.Repeat("v", n)}
	}
	return map[string]secret.Draft{
		"year-one":        {NotBefore: secret.First, Expires: secret.First},
		"second-one":      {NotBefore: secret.AtSecond(secret.MinSecond + 1), Expires: secret.AtSecond(secret.MinSecond + 2)},
		"before-1970":     {NotBefore: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), Expires: time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)},
		"year-9999":       {NotBefore: secret.AtSecond(secret.MaxSecond), Expires: secret.AtSecond(secret.MaxSecond)},
		"beyond":          {NotBefore: secret.Last, Expires: secret.Last},
		"tags-of-256":     {Tags: long(256)},
		"tags-of-512":     {Tags: long(512)},
		"tags-of-513":     {Tags: long(513)},
		"wide-tag":        {Tags: map[string]string{"k": strings.Repeat("\U0001f511", 256)}},
		"a-gateways-tag":  {Tags: map[string]string{"vaultferry": "x", "k": "v"}},
		"gateways-tags":   {Tags: map[string]string{"vaultferry": "x", "vaultferry.2": "y", "vaultferry.3": "", "k": "v"}},
		"a-gateways-word": {Tags: map[string]string{"Vaultferry": "x"}},
	}
}

// testOddSecrets: each reads as it was written, less what was foretold, however
// it came in, and none hides another in a list.
func testOddSecrets(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	put(ctx, t, b, "plain", text(canary+"plain"))
	want := []secret.Name{"plain"}
	for what, d := range oddVersions() {
		d.Value = secret.TextValue(canary + what)
		name := secret.Name("put-" + what)
		if got, held := tryPut(ctx, t, b, name, d); got != nil {
			want = append(want, name)
			sameContent(t, "Put of "+what, held, got)
			sameContent(t, "Get of "+what, held, getSecret(ctx, t, b, name, secret.Current))
			sameContent(t, "Export of "+what, held, export(ctx, t, b, name))
		}
		s := single(secret.Name("import-"+what), d)
		want = append(want, s.Name)
		checkImport(ctx, t, b, s)
	}
	slices.Sort(want)
	if got := names(ctx, t, b, 0); !slices.Equal(got, want) {
		t.Errorf("List returns %q, want %q", got, want)
	}
}

// testOddUpdates: what an update makes odd, or no longer odd, is what it says.
func testOddUpdates(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	for what, d := range oddVersions() {
		name := secret.Name("updated-" + what)
		put(ctx, t, b, name, text(canary+what))
		updateOdd(ctx, t, b, name, what, d)
		updateOdd(ctx, t, b, name, "what was "+what, secret.Draft{})
	}
}

func updateOdd(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, what string, d secret.Draft) {
	t.Helper()
	before := export(ctx, t, b, name)
	v := &before.Versions[0]
	v.NotBefore, v.Expires, v.Tags = d.NotBefore, d.Expires, d.Tags
	losses := b.Forecast(before)
	_, err := b.Update(ctx, name, secret.Current, secret.Patch{NotBefore: &d.NotBefore, Expires: &d.Expires, Tags: &d.Tags})
	if err != nil {
		_ = checkErr(t, err, secret.Lossy, secret.Invalid)
		if secret.Worst(losses) < secret.Meaning {
			t.Errorf("Update to %s is refused though no loss is foretold: %v", what, err)
		}
		return
	}
	got := export(ctx, t, b, name)
	sameContent(t, fmt.Sprintf("Export after an update to %s", what), loss.Apply(before, losses), got)
}
