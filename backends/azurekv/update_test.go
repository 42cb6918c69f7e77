package azurekv

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// setNative writes a version as native tools do.
func setNative(t *testing.T, b *Backend, wire string, v secret.Version) item {
	t.Helper()
	v.Value = secret.TextValue("canary-native")
	it, err := b.client.set(t.Context(), secret.Name(wire), wire, (&versionBody{Version: v}).set())
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func mustUpdate(t *testing.T, b *Backend, sel secret.Selector, p secret.Patch) *secret.Version {
	t.Helper()
	s, err := b.Update(t.Context(), "s", sel, p)
	if err != nil {
		t.Fatal(err)
	}
	return &s.Versions[0]
}

func mustExport(t *testing.T, b *Backend) *secret.Secret {
	t.Helper()
	s, err := b.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func someTags(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint("t", i)] = "x"
	}
	return m
}

// TestUpdateOfNative: a native version keeps its identity, and all its 15 tags
// as long as nothing needs ours.
func TestUpdateOfNative(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	setNative(t, b, "s", secret.Version{})
	setNative(t, b, "s", secret.Version{Tags: someTags(maxTags)})
	before := mustExport(t, b)
	full := secret.ByOrdinal(secret.Ordinal(slices.IndexFunc(before.Versions, func(v secret.Version) bool { return len(v.Tags) == maxTags }) + 1))
	v := mustUpdate(t, b, full, secret.Patch{ContentType: new("a/b"), Tags: new(someTags(maxTags - 1))})
	if v.ContentType != "a/b" || len(v.Tags) != maxTags-1 {
		t.Error("an update of native attributes is not there")
	}
	mustUpdate(t, b, full, secret.Patch{Tags: new(someTags(maxTags))})
	for what, p := range map[string]secret.Patch{
		"a stage":       {AddStages: []string{"a"}},
		"16 tags":       {Tags: new(someTags(maxTags + 1))},
		"our tag":       {Tags: &map[string]string{"VaultFerry": "x"}},
		"a long type":   {ContentType: new(strings.Repeat("x", maxContentType+1))},
		"not whole":     {Expires: new(time.Unix(2e9, 5))},
		"another first": {MakeCurrent: true, Tags: new(someTags(maxTags + 1))},
	} {
		_, err := b.Update(t.Context(), "s", full, p)
		wantKind(t, what, err, secret.Lossy)
	}
	after := mustExport(t, b)
	for i := range after.Versions {
		w, g := &before.Versions[i], &after.Versions[i]
		if w.UID != g.UID || w.Ordinal != g.Ordinal || !w.Created.Equal(g.Created) || len(w.Tags) != len(g.Tags) {
			t.Errorf("version %d has another identity, or other tags", w.Ordinal)
		}
	}
	mustUpdate(t, b, full, secret.Patch{Tags: new(someTags(1))})
	mustUpdate(t, b, secret.Current, secret.Patch{Description: new("d"), AddStages: []string{"a"}})
	tagged := mustExport(t, b)
	if tagged.Description != "d" || tagged.Current != before.Current || tagged.Previous != before.Previous {
		t.Error("the description is not there, or the roles are others")
	}
	for i := range tagged.Versions {
		if w, g := &before.Versions[i], &tagged.Versions[i]; w.UID != g.UID || w.Ordinal != g.Ordinal || !w.Created.Equal(g.Created) {
			t.Errorf("version %d has another identity once it is tagged", w.Ordinal)
		}
	}
}

// TestClearedTimes: what the product cannot take away is set to what means as
// much to its own tools, and a native change counts again.
func TestClearedTimes(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	at := time.Unix(1_900_000_000, 0).UTC()
	put(t, b, secret.Draft{Value: secret.TextValue("x"), NotBefore: at.Add(-time.Hour), Expires: at})
	var never time.Time
	mustUpdate(t, b, secret.Current, secret.Patch{NotBefore: &never, Expires: &never})
	it, _, err := b.client.get(t.Context(), "s", "s", "")
	if err != nil || it.expires.Year() != 9999 || !it.notBefore.Equal(it.created) {
		t.Fatalf("native tools see a version from %v to %v: %v", it.notBefore, it.expires, err)
	}
	for range 2 {
		if v := mustExport(t, b).Newest(); !v.Expires.IsZero() || !v.NotBefore.IsZero() {
			t.Error("the version has a start or an end still")
		}
		mustUpdate(t, b, secret.Current, secret.Patch{Disabled: new(false)})
	}
	later := azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Expires: &at}}
	if _, err := b.client.update(t.Context(), "s", "s", it.id, later); err != nil {
		t.Fatal(err)
	}
	if v := mustExport(t, b).Newest(); !v.Expires.Equal(at) || !v.NotBefore.IsZero() {
		t.Error("a native tool's new end does not count, or brings a start back")
	}
}

func put(t *testing.T, b *Backend, d secret.Draft) {
	t.Helper()
	if _, err := b.Put(t.Context(), "s", d); err != nil {
		t.Fatal(err)
	}
}

// TestStagesComeFromPuts: a label that a Put took over leaves no claim behind
// that comes up again when it is dropped or moved.
func TestStagesComeFromPuts(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	for range 3 {
		put(t, b, secret.Draft{Value: secret.TextValue("x"), Stages: []string{"a", "b"}})
	}
	mustUpdate(t, b, secret.Current, secret.Patch{DropStages: []string{"a"}})
	mustUpdate(t, b, secret.ByOrdinal(1), secret.Patch{AddStages: []string{"b"}})
	s := mustExport(t, b)
	if !slices.Equal(s.Versions[0].Stages, []string{"b"}) || len(s.Versions[1].Stages)+len(s.Versions[2].Stages) != 0 {
		t.Errorf("stages are %q, %q, %q", s.Versions[0].Stages, s.Versions[1].Stages, s.Versions[2].Stages)
	}
	mustUpdate(t, b, secret.ByOrdinal(1), secret.Patch{DropStages: []string{"b"}})
	if s := mustExport(t, b); len(s.Versions[0].Stages)+len(s.Versions[1].Stages)+len(s.Versions[2].Stages) != 0 {
		t.Error("a dropped label is back")
	}
}

// failing fails the PATCHes from the nth on before they are sent.
type failing struct {
	next http.RoundTripper
	left *atomic.Int64
}

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch && r.Header.Get("Authorization") != "" && f.left.Add(-1) < 0 {
		_ = r.Body.Close()
		return nil, errors.New("no route to host")
	}
	return f.next.RoundTrip(r)
}

// TestTornUpdate: an update of several writes that stops midway says so, loses
// no label, and can be made again.
func TestTornUpdate(t *testing.T) {
	t.Parallel()
	for n := range int64(3) {
		for _, to := range []secret.Ordinal{1, 3} {
			var left atomic.Int64
			left.Store(99)
			b := open(t, gatewaytest.New(t, gatewaytest.Options{}), func(c *Config) {
				c.wrap = func(next http.RoundTripper) http.RoundTripper { return failing{next, &left} }
			})
			for i := range 3 {
				put(t, b, secret.Draft{Value: secret.TextValue("x"), Stages: [][]string{{"a"}, {"a"}, nil}[i]})
			}
			before := mustExport(t, b)
			p := secret.Patch{AddStages: []string{"a"}, Description: new("d")}
			left.Store(n)
			_, err := b.Update(t.Context(), "s", secret.ByOrdinal(to), p)
			switch {
			case err == nil:
				t.Errorf("%d writes to version %d: no error", n, to)
			case n == 0:
				wantKind(t, "nothing written", err, secret.Unavailable)
				backendtest.Compare(t, before, mustExport(t, b), nil)
			default:
				wantKind(t, "part written", err, secret.Partial)
			}
			holders := 0
			torn := mustExport(t, b)
			for i := range torn.Versions {
				holders += len(torn.Versions[i].Stages)
			}
			if holders != 1 {
				t.Errorf("%d writes to version %d: %d versions hold the label", n, to, holders)
			}
			left.Store(99)
			mustUpdate(t, b, secret.ByOrdinal(to), p)
			if s := mustExport(t, b); s.Description != "d" || !slices.Equal(s.Find(secret.ByOrdinal(to)).Stages, []string{"a"}) {
				t.Errorf("%d writes to version %d: the second try is not whole", n, to)
			}
		}
	}
}

// TestTouchedAfterUpdate: a gateway's own change does not pass for one of
// native tools, and theirs shows when it comes later.
func TestTouchedAfterUpdate(t *testing.T) {
	t.Parallel()
	made := time.Unix(1_700_000_000, 0).UTC()
	ours := made.Add(time.Hour + 123*time.Millisecond)
	tag := &tagSidecar{Version: sidecar.Version{Updated: at(ours)}, Touched: at(ours.Truncate(time.Second))}
	for updated, want := range map[time.Time]time.Time{
		made:                                 ours,
		ours.Truncate(time.Second):           ours,
		ours.Add(10 * time.Second):           ours,
		ours.Add(-10 * time.Second):          ours,
		made.Add(2 * time.Hour):              made.Add(2 * time.Hour),
		made.Add(time.Hour + 90*time.Second): made.Add(time.Hour + 90*time.Second),
	} {
		it := item{created: made, updated: updated, tag: tag}
		if v := it.version(); !v.Updated.Equal(want) {
			t.Errorf("the product says %v: updated is %v, want %v", updated, v.Updated, want)
		}
	}
}

// TestUpdatedIsOne: a Get of current, a listing and Describe say the same of
// the secret, whichever version was updated.
func TestUpdatedIsOne(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	for range 2 {
		put(t, b, secret.Draft{Value: secret.TextValue("x")})
	}
	for _, o := range []secret.Ordinal{1, 2, 1} {
		mustUpdate(t, b, secret.ByOrdinal(o), secret.Patch{ContentType: new("a/b")})
		want := mustExport(t, b).Updated
		got, err := b.Get(t.Context(), "s", secret.Current)
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.List(t.Context(), secret.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if !got.Updated.Equal(want) || !p.Secrets[0].Updated.Equal(want) {
			t.Errorf("after an update of version %d Get says %v, List %v, Export %v", o, got.Updated, p.Secrets[0].Updated, want)
		}
	}
}

// TestTwoGatewaysUpdate different versions at once, and the secret.
func TestTwoGatewaysUpdate(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	both := []*Backend{open(t, g), open(t, g)}
	put(t, both[0], secret.Draft{Value: secret.TextValue("1")})
	put(t, both[0], secret.Draft{Value: secret.TextValue("2")})
	done := make(chan error, len(both))
	for i, b := range both {
		go func() {
			var err error
			for n := range 10 {
				_, e := b.Update(context.WithoutCancel(t.Context()), "s", secret.ByOrdinal(secret.Ordinal(i+1)), secret.Patch{ContentType: new(fmt.Sprint("a/", n)), Tags: &map[string]string{"n": fmt.Sprint(n)}})
				err = errors.Join(err, e)
			}
			done <- err
		}()
	}
	for range both {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	one, two := mustExport(t, both[0]), mustExport(t, both[1])
	backendtest.Compare(t, one, two, nil)
	for i := range one.Versions {
		if v := &one.Versions[i]; v.ContentType != "a/9" || v.Tags["n"] != "9" {
			t.Errorf("version %d is not as its last update left it", v.Ordinal)
		}
	}
}

// TestNativeInTrash: a native version keeps its UID in the trash, alone and in
// the list.
func TestNativeInTrash(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	setNative(t, b, "s", secret.Version{ContentType: "a/b"})
	want := mustExport(t, b).Newest().UID
	if _, err := b.Delete(t.Context(), "s", time.Time{}); err != nil {
		t.Fatal(err)
	}
	s, err := b.DescribeTrash(t.Context(), "s")
	if err != nil || s.Newest().UID != want || s.Newest().ContentType != "a/b" {
		t.Errorf("described: %v, or with another identity", err)
	}
	p, err := b.ListTrash(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 1 || p.Secrets[0].Newest().UID != want || p.Secrets[0].Deleted == nil {
		t.Errorf("%d secrets are listed, %v, or with another identity", len(p.Secrets), err)
	}
}
