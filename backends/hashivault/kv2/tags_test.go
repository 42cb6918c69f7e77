package kv2

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// nativeTags are the tags that native tools see.
func (f *fixture) nativeTags(t *testing.T, path string) map[string]string {
	t.Helper()
	m, err := f.kv.GetMetadata(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range m.CustomMetadata {
		if s, ok := v.(string); !ok {
			t.Errorf("%s is no text", k)
		} else if !strings.HasPrefix(k, "vaultferry") {
			out[k] = s
		}
	}
	if n := len(m.CustomMetadata); n > 64 {
		t.Errorf("custom_metadata has %d keys, and could not be written back", n)
	}
	return out
}

// wantTags compares the tags of the secret by every way in which they are read.
func (f *fixture) wantTags(t *testing.T, name secret.Name, want map[string]string) {
	t.Helper()
	described, err := f.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for way, s := range map[string]*secret.Secret{
		"Get": f.mustGet(t, name, secret.Current), "Describe": described, "Export": f.mustExport(t, name),
		"Get by ordinal": f.mustGet(t, name, secret.ByOrdinal(described.Current)),
	} {
		if !maps.Equal(s.Tags, want) || (s.Tags == nil) != (want == nil) {
			t.Errorf("%s shows %d tags of the secret (none: %v), want %d", way, len(s.Tags), s.Tags == nil, len(want))
		}
	}
}

// TestNativeMetadataIsTags: what native tools set is shown as the secret's
// tags, and what is set here is where they look.
func TestNativeMetadataIsTags(t *testing.T) {
	f := newFixture(t)
	f.nativePut(t, "s", map[string]any{"value": "canary"})
	f.wantTags(t, "s", nil)
	f.nativeWrite(t, "metadata/s", map[string]any{"custom_metadata": map[string]any{"owner": "me", "ticket": "T-1"}})
	f.wantTags(t, "s", map[string]string{"owner": "me", "ticket": "T-1"})
	f.mustPut(t, "s", kvtest.Text("canary-2"))
	f.wantTags(t, "s", map[string]string{"owner": "me", "ticket": "T-1"})
	tags := map[string]string{"owner": "you", "a key": "a value", "ключ": "é", "e": "", "vaultferry.mine": "x", "line": "a\nb"}
	f.tag(t, "s", tags)
	f.wantTags(t, "s", tags)
	if got := f.nativeTags(t, "s"); !maps.Equal(got, map[string]string{"owner": "you", "a key": "a value", "ключ": "é"}) {
		t.Errorf("native tools see %d tags", len(got))
	}
	f.custom(t, "s", map[string]any{"owner": "them", "e": "full", "a key": nil}) // natively: set anew, beside ours, removed
	f.wantTags(t, "s", map[string]string{"owner": "them", "ключ": "é", "e": "full", "vaultferry.mine": "x", "line": "a\nb"})
	for _, none := range []map[string]string{{}, nil} {
		f.tag(t, "s", none)
		f.wantTags(t, "s", none)
		if got := f.nativeTags(t, "s"); len(got) != 0 {
			t.Errorf("native tools still see %d tags", len(got))
		}
	}
}

func (f *fixture) tag(t *testing.T, name secret.Name, tags map[string]string) {
	t.Helper()
	if _, err := f.Update(t.Context(), name, secret.Current, secret.Patch{SecretTags: &tags}); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// TestTagsBeyondTheLimits: at each limit of custom_metadata and one above, the
// tag is there; what native tools could not hold is ours.
func TestTagsBeyondTheLimits(t *testing.T) {
	f := newFixture(t)
	long := func(n int) string { return strings.Repeat("é", n/2) + strings.Repeat("x", n%2) }
	tags := map[string]string{
		long(128): "a", long(129): "b", "512": long(512), "513": long(513), "vaultferry": "c", "vaultferry, ours": "d",
		"\u200b": "unprintable", "": "no key", " ": " ",
	}
	f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("x"), OfSecret: &secret.Attributes{Tags: tags}})
	f.wantTags(t, "s", tags)
	if got := f.nativeTags(t, "s"); !maps.Equal(got, map[string]string{long(128): "a", "512": long(512), " ": " "}) {
		t.Errorf("native tools see %d tags", len(got))
	}
	for _, n := range []int{59, 60, 61, 64, 65, 200} { // each set takes the place of the one before
		many := map[string]string{}
		for i := range n {
			many[fmt.Sprintf("%d of %d", i, n)] = "v"
		}
		f.tag(t, "s", many)
		f.wantTags(t, "s", many)
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("y"), Disabled: true, Tags: map[string]string{"n": "v"}})
		f.mustPut(t, "s", kvtest.Text("z"))
		if got := f.nativeTags(t, "s"); len(got) < 45 {
			t.Errorf("of %d tags native tools see %d", n, len(got))
		}
	}
}

// TestTagsMove: an import writes tags natively, and one request of a change of
// tags is as many as of any other.
func TestTagsMove(t *testing.T) {
	f := newFixture(t)
	for n, versions := range map[int]int{3: 2, 70: 2, 10: 100} {
		s := kvtest.Many(secret.Name(fmt.Sprint("s-", n)), versions, "x")
		s.Tags = map[string]string{"e": ""}
		for i := range n {
			s.Tags[fmt.Sprint("tag ", i)] = "v"
		}
		if _, err := f.Import(t.Context(), s, "token"); err != nil {
			t.Fatal(err)
		}
		backendtest.Compare(t, s, f.mustExport(t, s.Name), f.Forecast(s))
		if got := f.nativeTags(t, string(s.Name)); len(got) != min(n, maxNative) {
			t.Errorf("of %d tags native tools see %d", n, len(got))
		}
	}
	ctx, count := backends.WithCallCount(t.Context())
	if _, err := f.Update(ctx, "s-3", secret.Current, secret.Patch{SecretTags: &map[string]string{"a": "b"}}); err != nil || count() != 2 {
		t.Errorf("a change of tags took %d requests: %v", count(), err)
	}
}
