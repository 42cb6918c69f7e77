package azurekv

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// nativeTags are what native tools see of each version, the oldest first, less
// our tag, and whether that says that they are the secret's: "F".
func nativeTags(t *testing.T, b *Backend) []string {
	t.Helper()
	h, err := b.load(t.Context(), "s", "s", nothing)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range h.entries {
		line := fmt.Sprint(len(e.tags))
		if e.tag != nil && e.tag.Shared {
			line += "F"
		}
		if e.tag != nil && e.tag.Secret != nil && len(e.tag.Secret.Tags) > 0 {
			line += fmt.Sprint("+", len(e.tag.Secret.Tags))
		}
		out = append(out, line)
	}
	return out
}

// wantTags holds what native tools see and what the model says.
func wantTags(t *testing.T, what string, b *Backend, natively []string, ofSecret map[string]string, own ...map[string]string) {
	t.Helper()
	if got := nativeTags(t, b); !slices.Equal(got, natively) {
		t.Errorf("%s: natively there are %q, want %q", what, got, natively)
	}
	s := mustExport(t, b)
	if !secret.SameTags(s.Tags, ofSecret) || len(s.Versions) != len(own) {
		t.Errorf("%s: %d versions, and the secret's tags are %v, want %v", what, len(s.Versions), s.Tags, ofSecret)
		return
	}
	for i := range own {
		if have := s.Versions[i].Tags; !secret.SameTags(have, own[i]) {
			t.Errorf("%s: the tags of version %d are %#v, want %#v", what, i+1, have, own[i])
		}
	}
	got, err := b.Get(t.Context(), "s", secret.Current)
	if err != nil || !secret.SameTags(got.Tags, ofSecret) || !secret.SameTags(got.Versions[0].Tags, s.Find(secret.Current).Tags) {
		t.Errorf("%s: Get sees other tags than Export: %v", what, err)
	}
	p, err := b.List(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 1 || !secret.SameTags(p.Secrets[0].Tags, ofSecret) {
		t.Errorf("%s: List sees other tags than Export: %v", what, err)
	}
}

var (
	long = map[string]string{strings.Repeat("k", 128): strings.Repeat("v", 255), "team": "red"}
	mine = map[string]string{"own": "1"}
)

// TestSharedTags: the secret's tags lie where native tools look, at the newest
// version alone, unless that has its own.
func TestSharedTags(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	put(t, b, secret.Draft{Value: secret.TextValue("1")})
	put(t, b, secret.Draft{Value: secret.TextValue("2")})
	mustUpdate(t, b, secret.Current, secret.Patch{SecretTags: &long})
	wantTags(t, "set", b, []string{"0", "2F"}, long, nil, nil)
	put(t, b, secret.Draft{Value: secret.TextValue("3")})
	wantTags(t, "a version later", b, []string{"0", "2F", "2F"}, long, nil, nil, nil)
	few := map[string]string{"few": ""}
	mustUpdate(t, b, secret.ByOrdinal(1), secret.Patch{SecretTags: &few})
	wantTags(t, "others, by way of an old version", b, []string{"0", "2F", "1F"}, few, nil, nil, nil)
	mustUpdate(t, b, secret.ByOrdinal(2), secret.Patch{ContentType: new("text/plain")})
	wantTags(t, "an old version changed", b, []string{"0", "2F", "1F"}, few, nil, nil, nil)
	mustUpdate(t, b, secret.ByOrdinal(3), secret.Patch{Tags: &mine})
	wantTags(t, "the newest gets its own", b, []string{"0", "2F", "1+1"}, few, nil, nil, mine)
	mustUpdate(t, b, secret.ByOrdinal(2), secret.Patch{Tags: &mine})
	wantTags(t, "an old one gets its own", b, []string{"0", "1", "1+1"}, few, nil, mine, mine)
	mustUpdate(t, b, secret.ByOrdinal(3), secret.Patch{Tags: new(map[string]string)})
	wantTags(t, "the newest is without again", b, []string{"0", "1", "1F"}, few, nil, mine, nil)
	mustUpdate(t, b, secret.ByOrdinal(3), secret.Patch{SecretTags: &map[string]string{}})
	wantTags(t, "set to nothing", b, []string{"0", "1", "0"}, map[string]string{}, nil, mine, nil)
}

// TestSharedTagsNoRoom: a version with tags of its own that would cost the
// secret's is refused, says why, and changes nothing.
func TestSharedTagsNoRoom(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	put(t, b, secret.Draft{Value: secret.TextValue("1"), OfSecret: &secret.Attributes{Tags: long}})
	_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("2"), Tags: mine})
	wantKind(t, "a version with its own", err, secret.Invalid)
	if d := secret.DetailOf(err); !strings.Contains(d, "beside the newest version's own tags") {
		t.Errorf("the reason is %q", d)
	}
	_, err = b.Update(t.Context(), "s", secret.Current, secret.Patch{Tags: &mine})
	wantKind(t, "its own later", err, secret.Lossy)
	wantTags(t, "refused", b, []string{"2F"}, long, nil)
	for n, want := range map[int]bool{maxTags - 1: true, maxTags + 3: false} {
		s := plain(1, 2)
		s.Tags = someTags(n)
		if lost := foretells(b, s, loss.Tags, secret.Meaning); lost == want {
			t.Errorf("%d tags of the secret are foretold to be lost: %v", n, lost)
		}
	}
}

// TestSharedTagsOfNative: what native tools do beside it.
func TestSharedTagsOfNative(t *testing.T) {
	t.Parallel()
	b, wait := three(t)
	mustUpdate(t, b, secret.Current, secret.Patch{SecretTags: &mine})
	change := func(id string, tags map[string]*string) {
		t.Helper()
		if _, err := b.client.update(t.Context(), "s", "s", id, azsecrets.UpdateSecretPropertiesParameters{Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	newest, _, err := b.client.get(t.Context(), "s", "s", "")
	if err != nil {
		t.Fatal(err)
	}
	both := map[string]string{"own": "1", "more": "2"}
	change(newest.id, wireTags(both, newest.tag))
	wantTags(t, "a tag added beside ours", b, []string{"0", "0", "2F"}, both, nil, nil, nil)
	change(newest.id, wireTags(nil, newest.tag))
	wantTags(t, "all but ours removed", b, []string{"0", "0", "0F"}, map[string]string{}, nil, nil, nil)
	change(newest.id, wireTags(both, newest.tag))

	wait(2 * time.Second)
	fourth := setNative(t, b, "s", secret.Version{})
	wantTags(t, "a version without", b, []string{"0", "0", "2F", "0"}, both, nil, nil, nil, nil)
	mustUpdate(t, b, secret.ByOrdinal(3), secret.Patch{Tags: &mine})
	wantTags(t, "the one that speaks for the secret gets its own", b, []string{"0", "0", "1+2", "0"}, both, nil, nil, mine, nil)
	mustUpdate(t, b, secret.ByOrdinal(4), secret.Patch{Tags: new(map[string]string)})
	wantTags(t, "the native one is told to be without", b, []string{"0", "0", "1+2", "0"}, both, nil, nil, mine, nil)
	wait(2 * time.Second)
	put(t, b, secret.Draft{Value: secret.TextValue("5")})
	wantTags(t, "a version of ours", b, []string{"0", "0", "1+2", "0", "2F"}, both, nil, nil, mine, nil, nil)

	wait(2 * skew)
	fifth, _, err := b.client.get(t.Context(), "s", "s", "")
	if err != nil || fifth.id == fourth.id {
		t.Fatalf("the newest is another: %v", err)
	}
	copied := map[string]string{"own": "1", "more": "2", sidecarTag: sidecar.JSON(fifth.tag)}
	setNative(t, b, "s", secret.Version{Tags: copied})
	wantTags(t, "a version with a copy of all tags", b, []string{"0", "0", "1+2", "0", "2F", "2"}, both, nil, nil, mine, nil, nil, both)
}

// TestSharedTagsOpened: a disabled version at which they lie is read and put
// back, and so it comes out of the trash.
func TestSharedTagsOpened(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}), opening)
	put(t, b, secret.Draft{Value: secret.TextValue("1"), Disabled: true, OfSecret: &secret.Attributes{Tags: long}})
	s, opened, err := b.ExportHidden(t.Context(), "s", secret.Unreadable)
	if err != nil || len(opened) != 1 || s.Versions[0].Value.IsNone() || !secret.SameTags(s.Tags, long) || s.Versions[0].Tags != nil {
		t.Errorf("%d versions are opened: %v", len(opened), err)
	}
	wantTags(t, "afterwards", b, []string{"2F"}, long, nil)
	if _, err := b.Delete(t.Context(), "s", time.Time{}); err != nil {
		t.Fatal(err)
	}
	gone, err := b.DescribeTrash(t.Context(), "s")
	if err != nil || !secret.SameTags(gone.Tags, long) || gone.Versions[0].Tags != nil {
		t.Errorf("in the trash it has other tags: %v", err)
	}
	if _, err := b.Recover(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	wantTags(t, "recovered", b, []string{"2F"}, long, nil)
}

// TestSharedTagsImported: an import leaves them at the version that it writes
// last, under names that no gateway takes for its own.
func TestSharedTagsImported(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	s := plain(1, 2, 3)
	s.Current, s.Previous, s.Tags = 2, 1, map[string]string{sidecarTag: "x", "k": ""}
	s.Versions[2].Tags = mine
	moved(t, b, s)
	wantTags(t, "imported", b, []string{"0", "2F", "1"}, s.Tags, nil, nil, mine)
	put(t, b, secret.Draft{Value: secret.TextValue("4")})
	wantTags(t, "a version later", b, []string{"0", "2F", "1", "2F"}, s.Tags, nil, nil, mine, nil)
	seen := seenNatively(t, b)
	if seen.Tags[nameOfLayer(2)] == nil || *seen.Tags[nameOfLayer(2)] != "x" {
		t.Error("a tag of the name of ours is not moved on")
	}
	if s.Tags = map[string]string{"VaultFerry": "x"}; foretells(b, s, loss.Tags, secret.Meaning) {
		t.Error("a tag that cannot stand natively does not go into ours")
	}
}

// TestSharedTagsBehindAGateway: the room of the vault behind counts.
func TestSharedTagsBehindAGateway(t *testing.T) {
	t.Parallel()
	b, s := chained(t, likeKeyVault(), 2)[0], plain(1, 2)
	s.Tags = map[string]string{}
	for i := range maxTags - 1 {
		s.Tags[fmt.Sprint(strings.Repeat("k", 20), i)] = "v"
	}
	if foretells(b, s, loss.Tags, secret.Meaning) {
		t.Fatal("it knows what nobody has told it")
	}
	_, err := b.Import(t.Context(), s, "")
	wantKind(t, "an import that was foretold wrongly", err, secret.Lossy)
	if !foretells(b, s, loss.Tags, secret.Meaning) {
		t.Error("what was refused is not foretold")
	}
	for i := range maxTags - 1 - b.MaxTags() {
		delete(s.Tags, fmt.Sprint(strings.Repeat("k", 20), i))
	}
	moved(t, b, s)
	wantTags(t, "as many as there is room for", b, []string{"0", "12F"}, s.Tags, nil, nil)
}
