package azurekv

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// hazards are ways in which CSMS and Key Vault differ, by the numbers of the
// wire reference's table.
var hazards = map[string]func(*testing.T, *Backend){
	"9.1/1 name alphabet": hazardNames, "9.1/3 version ids": hazardVersionIDs, "9.1/4 latest": hazardLatest, "9.1/5 stages": hazardStages,
	"9.1/8 binary": hazardBinary, "9.1/9 content type": hazardContentType, "9.1/10 expiry": hazardExpiry,
	"9.1/11 not before": hazardNotBefore, "9.1/12 disabled": hazardDisabled, "9.1/13 description": hazardDescription,
	"9.1/14 tags": hazardTags, "9.1/15 times": hazardTimes, "9.1/16 deletion": hazardDeletion, "9.1/21 managed": hazardManaged,
}

// TestHazards takes the hazards one by one.
func TestHazards(t *testing.T) {
	t.Parallel()
	for name, run := range hazards {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t, gatewaytest.New(t, gatewaytest.Options{})))
		})
	}
}

// TestHazardsAreNamed: none leaves the map unnoticed. The end-to-end tests have
// the others of the 22, and count on these.
func TestHazardsAreNamed(t *testing.T) {
	t.Parallel()
	want := []int{1, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 21}
	var got []int
	for name := range hazards {
		var n int
		if _, err := fmt.Sscanf(name, "9.1/%d ", &n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got = append(got, n)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the hazards %d are tested, want %d", got, want)
	}
}

// plain is a document of versions with these ordinals, the last one current.
func plain(of ...secret.Ordinal) *secret.Secret {
	s := &secret.Secret{Name: "s", Created: epoch, Updated: epoch}
	for _, o := range of {
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: o, UID: secret.DeriveUID("plain", "s", o.String(), epoch), Value: secret.TextValue(fmt.Sprint("canary-", o)),
			Created: epoch.Add(time.Duration(o) * time.Millisecond), Updated: epoch.Add(time.Duration(o) * time.Millisecond),
		})
		s.Current, s.Previous = o, s.Current
	}
	return s
}

// moved imports s and proves that what comes out is s less what was foretold.
func moved(t *testing.T, b *Backend, s *secret.Secret) *secret.Secret {
	t.Helper()
	if _, err := b.Import(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	got := mustExport(t, b)
	backendtest.Compare(t, s, got, b.Forecast(s))
	return got
}

func foretells(b *Backend, s *secret.Secret, what string, grade secret.Grade) bool {
	return slices.ContainsFunc(b.Forecast(s), func(l secret.Loss) bool { return l.What == what && l.Grade == grade })
}

// seenNatively is what a version-less read by native tools gives.
func seenNatively(t *testing.T, b *Backend) azsecrets.Secret {
	t.Helper()
	r, err := b.client.sdk.GetSecret(t.Context(), "s", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.Secret
}

// hazardNames: names that Key Vault cannot spell, or takes for one another, are
// secrets of their own, and native tools see an escape.
func hazardNames(t *testing.T, b *Backend) {
	names := map[secret.Name]string{"plain-1": "plain-1", "Foo": "", "foo": "foo", "with_dot.s": "", "a/b": "", "x0-8pnmu": ""}
	for name := range names {
		if _, err := b.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("canary " + string(name))}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, wire := range names {
		s, err := b.Get(t.Context(), name, secret.Current)
		if err != nil || string(s.Versions[0].Value.Reveal()) != "canary "+string(name) {
			t.Errorf("%s: it reads otherwise: %v", name, err)
		}
		seen, err := naming.Encode(name)
		if err != nil || wire != "" && seen != wire || wire == "" && !strings.HasPrefix(seen, "x0-") {
			t.Errorf("%s: native tools see %q: %v", name, seen, err)
		}
		if _, err := b.client.sdk.GetSecret(t.Context(), seen, "", nil); err != nil {
			t.Errorf("%s: native tools do not find %q: %v", name, seen, err)
		}
	}
	if p, err := b.List(t.Context(), secret.Query{}); err != nil || len(p.Secrets) != len(names) {
		t.Errorf("List shows %d secrets: %v", len(p.Secrets), err)
	}
}

func hazardVersionIDs(t *testing.T, b *Backend) {
	got := moved(t, b, plain(2, 5, 9))
	items, err := b.client.versions(t.Context(), "s", "s", nothing)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		u, ok := secret.ParseUID(it.id)
		if !ok || got.Find(secret.ByUID(u)) != nil {
			t.Error("the product's own id left it")
		}
	}
	put(t, b, secret.Draft{Value: secret.TextValue("x")})
	if n := mustExport(t, b).Newest().Ordinal; n != 10 {
		t.Errorf("the version after 9 is %d", n)
	}
}

func hazardLatest(t *testing.T, b *Backend) {
	s := plain(1, 2, 3)
	s.Current, s.Previous = 2, 1
	moved(t, b, s)
	if v := seenNatively(t, b); *v.Value != "canary-2" {
		t.Error("an import leaves native tools another current version")
	}
	mustUpdate(t, b, secret.ByOrdinal(1), makeCurrent)
	wantRoles(t, "moved back", b, 1, 2)
	if v := seenNatively(t, b); *v.Value != "canary-2" {
		t.Error("a moved role shows natively, where the documentation says that it does not")
	}
}

func hazardStages(t *testing.T, b *Backend) {
	labels := []string{"a,b", "blue", "canary_1", "green-2", "pending"}
	put(t, b, secret.Draft{Value: secret.TextValue("1"), Stages: labels})
	put(t, b, secret.Draft{Value: secret.TextValue("2"), Stages: []string{"blue"}})
	got := mustExport(t, b)
	if !slices.Equal(got.Versions[0].Stages, []string{"a,b", "canary_1", "green-2", "pending"}) || !slices.Equal(got.Versions[1].Stages, []string{"blue"}) {
		t.Errorf("the stages are %q and %q", got.Versions[0].Stages, got.Versions[1].Stages)
	}
	if v := seenNatively(t, b); len(v.Tags) != 1 || v.Tags[sidecarTag] == nil {
		t.Errorf("native tools see %d tags, want ours alone", len(v.Tags))
	}
	many := plain(1)
	for i := range 10 { // as many as CSMS lets a secret have beside the two roles, as long as it lets them be
		many.Versions[0].Stages = append(many.Versions[0].Stages, fmt.Sprint(i)+strings.Repeat("x", 63))
	}
	if !foretells(b, many, loss.Stages, secret.Meaning) {
		t.Error("it is not foretold that long stages are lost")
	}
}

func hazardBinary(t *testing.T, b *Backend) {
	raw := []byte{0xff, 0x00, 0x80}
	put(t, b, secret.Draft{Value: secret.BinaryValue(raw)})
	seen := seenNatively(t, b)
	if *seen.Value != "/wCA" || *seen.ContentType != "application/octet-stream;base64" {
		t.Error("native tools do not see base64 that says what it is")
	}
	if v := mustExport(t, b).Newest(); !v.Value.Equal(secret.BinaryValue(raw)) || v.ContentType != "" {
		t.Error("the bytes come back otherwise, or with a content type")
	}
	setNative(t, b, "n", secret.Version{ContentType: "application/octet-stream;base64"})
	got, err := b.Get(t.Context(), "n", secret.Current)
	if err != nil || got.Versions[0].Value.Form() != secret.Text {
		t.Errorf("native text becomes bytes by a guess: %v", err)
	}
}

func hazardContentType(t *testing.T, b *Backend) {
	s := plain(1, 2)
	s.Versions[0].ContentType, s.Versions[1].ContentType = strings.Repeat("x", maxContentType), "a/b"
	moved(t, b, s)
	if *seenNatively(t, b).ContentType != "a/b" {
		t.Error("the content type is not native")
	}
	s.Versions[0].ContentType += "x"
	if !foretells(b, s, loss.ContentType, secret.Meaning) {
		t.Error("it is not foretold that a content type of 256 characters is lost")
	}
}

func hazardExpiry(t *testing.T, b *Backend) {
	s := plain(1, 2)
	past := epoch.Add(time.Hour + 250*time.Millisecond)
	s.Versions[1].Expires = past
	got := moved(t, b, s)
	if !got.Versions[1].Expires.Equal(past) || !got.Versions[0].Expires.IsZero() {
		t.Error("the expiry is cut, or another version's")
	}
	if seen := seenNatively(t, b); !seen.Attributes.Expires.Equal(past.Truncate(time.Second)) || *seen.Value != "canary-2" {
		t.Error("the expiry is not native, or hides the value")
	}
}

func hazardNotBefore(t *testing.T, b *Backend) {
	s := plain(1)
	future := time.Now().UTC().AddDate(1, 0, 0).Truncate(time.Second)
	s.Versions[0].NotBefore = future
	moved(t, b, s)
	if seen := seenNatively(t, b); !seen.Attributes.NotBefore.Equal(future) {
		t.Error("the start is not native")
	}
}

func hazardDisabled(t *testing.T, b *Backend) {
	s := plain(1, 2)
	s.Versions[0].Disabled = true
	if l := b.Forecast(s); secret.Worst(l) > secret.Trace {
		t.Errorf("a disabled version is lost: %v", l)
	}
	got := moved(t, b, s)
	v := &got.Versions[0]
	if !v.Disabled || v.Missing != secret.Unreadable || !v.Value.IsNone() {
		t.Error("the version is enabled, or its value readable")
	}
	if l := secret.ExportLosses(got); len(l) != 1 || l[0].Version != 1 || l[0].Grade != secret.Data {
		t.Errorf("the losses of an export are %v", l)
	}
	items, err := b.client.versions(t.Context(), "s", "s", nothing)
	if err != nil || len(items) != 2 {
		t.Fatalf("%d versions: %v", len(items), err)
	}
	for i := range items {
		if items[i].disabled != (items[i].tag.Ordinal == 1) {
			t.Error("the state is not native")
		}
	}
}

func hazardDescription(t *testing.T, b *Backend) {
	s := plain(1)
	s.Description = "für alle, \"zitiert\"\n"
	moved(t, b, s)
	put(t, b, secret.Draft{Value: secret.TextValue("x")})
	if mustExport(t, b).Description != s.Description {
		t.Error("a new version loses the description")
	}
	s.Description = strings.Repeat("d", 2048) // as CSMS allows
	if !foretells(b, s, loss.Description, secret.Meaning) {
		t.Error("it is not foretold that a long description is lost")
	}
	_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x"), OfSecret: &secret.Attributes{Description: s.Description}})
	wantKind(t, "a long description", err, secret.Invalid)
	_, err = b.Update(t.Context(), "s", secret.Current, secret.Patch{Description: &s.Description})
	wantKind(t, "a long description later", err, secret.Lossy)
}

func hazardTags(t *testing.T, b *Backend) {
	s := plain(1, 2)
	s.Tags = map[string]string{"of": "the secret"}
	s.Versions[0].Tags, s.Versions[1].Tags = map[string]string{"of": "v1", "any: text/ü": ""}, someTags(14)
	moved(t, b, s)
	seen := seenNatively(t, b)
	if len(seen.Tags) != 15 || seen.Tags["of"] != nil || seen.Tags["t3"] == nil {
		t.Errorf("native tools see %d tags, or the secret's among the version's", len(seen.Tags))
	}
	s.Versions[1].Tags = someTags(maxTags)
	if !foretells(b, s, loss.Tags, secret.Meaning) {
		t.Error("it is not foretold that 15 tags beside ours are lost")
	}
	s.Tags = map[string]string{strings.Repeat("k", 128): strings.Repeat("v", 255)} // as CSMS allows
	if s.Versions[1].Tags = someTags(1); !foretells(b, s, loss.Tags, secret.Meaning) {
		t.Error("it is not foretold that long tags of the secret are lost beside the version's own")
	}
	if s.Versions[1].Tags = nil; foretells(b, s, loss.Tags, secret.Meaning) {
		t.Error("it is foretold that tags are lost which have the place of the version's")
	}
}

func hazardTimes(t *testing.T, b *Backend) {
	moved(t, b, plain(1, 2, 3))
	if created := *seenNatively(t, b).Attributes.Created; created.Before(time.Now().Add(-time.Hour)) {
		t.Errorf("the product's own time is %v", created)
	}
	for range 5 {
		put(t, b, secret.Draft{Value: secret.TextValue("x")})
	}
	got := mustExport(t, b)
	for i := range got.Versions[1:] {
		a, z := got.Versions[i].Created, got.Versions[i+1].Created
		if z.UnixMilli() <= a.UnixMilli() {
			t.Errorf("version %d was made in the millisecond of the one before it", got.Versions[i+1].Ordinal)
		}
	}
}

func hazardDeletion(t *testing.T, b *Backend) {
	before := moved(t, b, plain(1, 2))
	d := secret.Draft{Value: secret.TextValue("x"), OnlyIfAbsent: true}
	s, err := b.Delete(t.Context(), "s", time.Now().AddDate(0, 0, 7))
	if err != nil || s.Deleted == nil || s.Deleted.Purge.IsZero() {
		t.Fatalf("the vault's own retention is not told: %v", err)
	}
	_, err = b.Put(t.Context(), "s", d)
	wantKind(t, "a name in the trash", err, secret.Trashed)
	if _, err := b.Recover(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, before, mustExport(t, b), nil)
	if _, err := b.Delete(t.Context(), "s", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Purge(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "s", d); err != nil {
		t.Errorf("a final deletion leaves the name taken: %v", err)
	}
}

func hazardManaged(t *testing.T, b *Backend) {
	s := plain(1, 2)
	s.Versions[0].Extra = secret.Extra{extraManaged: []byte("true")}
	if !foretells(b, s, loss.Version, secret.Data) {
		t.Error("it is not foretold that a managed version is left out")
	}
	if got := moved(t, b, s); len(got.Versions) != 1 || got.Versions[0].Ordinal != 2 {
		t.Errorf("%d versions stand", len(got.Versions))
	}
}
