package azurekv

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// TestRecordedPages: pages of 24, 25 and 21 secrets, with managed ones, names
// in upper case and an order that is not ours.
func TestRecordedPages(t *testing.T) {
	t.Parallel()
	b, _ := recorded(t, "cpp-recordings.vault.azure.net", "https://vault.azure.net", 604, 605, 606, 607, 608, 609, 610)
	items, err := b.client.secrets(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var listing kit.ListingCache[item]
	names, leftOut, err := listing.All(time.Now(), true, func() ([]listed, []secret.LeftOut, error) {
		names, leftOut := named(items)
		return names, leftOut, nil
	})
	if err != nil || leftOut != nil {
		t.Fatal(leftOut, err)
	}
	if len(items) != 168 || len(names) != len(items) {
		t.Errorf("%d items of %d names, want 168", len(items), len(names))
	}
	if !slices.IsSortedFunc(names, func(a, b listed) int { return cmp.Compare(a.Name, b.Name) }) {
		t.Error("the names are not sorted bytewise")
	}
	managed := slices.IndexFunc(names, func(l listed) bool { return l.Name == "backuprestorecertificate" })
	if managed < 0 || !names[managed].Item.managed || names[managed].Item.name != "BackupRestoreCertificate" {
		t.Error("the managed secret is not found under its folded name")
	}
}

// TestRecordedEmptyPages: a page may be empty and yet not the last.
func TestRecordedEmptyPages(t *testing.T) {
	t.Parallel()
	b, _ := recorded(t, "fakevault.local", "https://local", 108, 109, 110, 111, 112, 113, 114)
	items, err := b.client.secrets(t.Context(), false)
	if err != nil || len(items) != 4 {
		t.Errorf("%d secrets, want 4: %v", len(items), err)
	}
}

// TestRecordedVersions: three native versions of one second, a page each. Only
// the read without a version tells which is current.
func TestRecordedVersions(t *testing.T) {
	t.Parallel()
	const name = "listversions2628844972"
	b, answer := recorded(t, "fakevault.local", "https://local", 36, 37, 38)
	answer("GET", "/secrets/"+name+"/", 35) // what the last Set said
	s, err := b.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Versions) != 3 || s.Versions[0].Ordinal != 1 || s.Versions[2].Ordinal != 3 {
		t.Fatalf("%d versions, want 1 to 3", len(s.Versions))
	}
	last, err := b.Get(t.Context(), name, secret.Current)
	if err != nil {
		t.Fatal(err)
	}
	v := last.Versions[0]
	if last.Current != s.Current || v.Ordinal != s.Current || v.UID != s.Find(secret.Current).UID {
		t.Errorf("Get says version %d of current %d, Describe %d", v.Ordinal, last.Current, s.Current)
	}
	if v.ContentType != "content-type" || v.Tags["tag"] != "value" || !v.Expires.Equal(time.Unix(2524611661, 0)) {
		t.Error("an attribute of a native version is lost")
	}
	if last.Previous == 0 || last.Previous == last.Current {
		t.Errorf("previous is %d", last.Previous)
	}
}

// TestRecordedRefusals: what the service says of the absent and the disabled.
func TestRecordedRefusals(t *testing.T) {
	t.Parallel()
	b, _ := recorded(t, "fakevault.local", "https://local", 16, 60, 624, 648)
	ctx := t.Context()
	_, _, err := b.client.get(ctx, "s", "secret422508987", "")
	wantKind(t, "Get of an absent secret", err, secret.NotFound)
	_, _, err = b.client.get(ctx, "s", "testupdateofdisabledsecret431642f", "")
	wantKind(t, "Get of a disabled secret", err, secret.Disabled)
	if items, err := b.client.versions(ctx, "s", "91945129", nothing); err != nil || len(items) != 0 {
		t.Errorf("versions of an absent secret: %d, %v", len(items), err)
	}
	if gone, err := b.client.isDeleted(ctx, "s", "secret518723441"); err != nil || gone {
		t.Errorf("a name that nobody deleted is called so: %v, %v", gone, err)
	}
}

// TestRecordedSet: the answer to a write.
func TestRecordedSet(t *testing.T) {
	t.Parallel()
	b, _ := recorded(t, "fakevault.local", "https://local", 12)
	it, err := b.client.set(t.Context(), "s", "secret518723441", new(versionBody).set())
	if err != nil || it.id == "" || it.created.IsZero() {
		t.Errorf("the answer to a Set is not understood: %v", err)
	}
}
