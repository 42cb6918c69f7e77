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

// tagSets are those that a secret or a version may have: being without differs
// from an empty set.
var tagSets = map[string]map[string]string{"without": nil, "empty": {}, "one": {"k": "v"}}

// testTags: a secret and its versions keep their own tags, and no one's tags
// become another's. What is shown where there are none is no backend's affair.
func testTags(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	for ofSecret, s := range tagSets {
		for ofVersion, v := range tagSets {
			name := secret.Name(fmt.Sprintf("%s-%s", ofSecret, ofVersion))
			d := secret.Draft{Value: secret.TextValue("x"), Tags: v, OfSecret: &secret.Attributes{Tags: s}}
			wantTags(t, "the answer of Put", putSecret(ctx, t, b, name, d), s, v)
			readTags(ctx, t, b, name, s, v)
			doc := bare("imported-"+name, 1)
			doc.Tags, doc.Versions[0].Tags = s, v
			mustImport(ctx, t, b, doc, "")
			readTags(ctx, t, b, doc.Name, s, v)
		}
	}
}

// testTagsChange: each level changes alone, from any set to any other, and a new
// version takes none of its own from the one before.
func testTagsChange(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	var ofSecret, ofVersion map[string]string
	put(ctx, t, b, "s", text("1"))
	for range 2 { // from each to each
		for _, level := range []string{"secret", "version", "secret", "version"} {
			for _, to := range []string{"one", "empty", "without", "one", "without", "empty"} {
				set, p := tagSets[to], secret.Patch{}
				if level == "secret" {
					p.SecretTags, ofSecret = &set, set
				} else {
					p.Tags, ofVersion = &set, set
				}
				got, err := b.Update(ctx, "s", secret.Current, p)
				if err != nil {
					t.Fatalf("tags of the %s to %s: %v", level, to, checkErr(t, err))
				}
				wantTags(t, fmt.Sprintf("the answer, tags of the %s set to %s", level, to), got, ofSecret, ofVersion)
				readTags(ctx, t, b, "s", ofSecret, ofVersion)
			}
		}
		ofVersion = nil
		wantTags(t, "the answer of a second Put", putSecret(ctx, t, b, "s", text("2")), ofSecret, nil)
		readTags(ctx, t, b, "s", ofSecret, nil)
	}
}

// tagged is a secret with the own tags that it is to have.
type tagged struct {
	b        backends.Backend
	name     secret.Name
	shared   map[string]string
	versions map[secret.Ordinal]map[string]string
}

func (x *tagged) check(ctx context.Context, t *testing.T, what string) *secret.Secret {
	t.Helper()
	s := describe(ctx, t, x.b, x.name)
	if !secret.SameTags(s.Tags, x.shared) {
		t.Errorf("%s: the secret's tags are %#v, want %#v", what, s.Tags, x.shared)
	}
	for i := range s.Versions {
		if v := &s.Versions[i]; !secret.SameTags(v.Tags, x.versions[v.Ordinal]) {
			t.Errorf("%s: the tags of version %d are %#v, want %#v", what, v.Ordinal, v.Tags, x.versions[v.Ordinal])
		}
	}
	return s
}

func (x *tagged) put(ctx context.Context, t *testing.T, tags map[string]string) {
	t.Helper()
	d := text(fmt.Sprint(canary, len(x.versions)))
	if d.Tags = tags; len(x.versions) == 0 {
		d.OfSecret = &secret.Attributes{Tags: x.shared}
	}
	x.versions[put(ctx, t, x.b, x.name, d).Ordinal] = tags
	x.check(ctx, t, "another version")
}

// update passes over what a store has no room for.
func (x *tagged) update(ctx context.Context, t *testing.T, what string, o secret.Ordinal, p secret.Patch) {
	t.Helper()
	switch _, err := x.b.Update(ctx, x.name, secret.ByOrdinal(o), p); {
	case errors.Is(err, secret.Lossy):
	case err != nil:
		t.Fatalf("%s: %v", what, checkErr(t, err))
	default:
		if p.Tags != nil {
			x.versions[o] = *p.Tags
		}
		replace(&x.shared, p.SecretTags)
	}
	x.check(ctx, t, what)
}

// testTagsOfOthers: the tags of the secret are none of any version, whoever is
// current, and outlive versions that have tags of their own.
func testTagsOfOthers(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	own, other, empty, none := map[string]string{"k": "of the version"}, map[string]string{"other": ""}, map[string]string{}, map[string]string(nil)
	x := &tagged{b, "s", map[string]string{"k": "of the secret"}, map[secret.Ordinal]map[string]string{}}
	for _, tags := range []map[string]string{nil, own, nil, {}, nil} {
		x.put(ctx, t, tags)
	}
	newest := x.check(ctx, t, "all").Newest().Ordinal
	for i, o := range []secret.Ordinal{newest - 2, newest} {
		if i == 0 && x.check(ctx, t, "all").Find(secret.ByOrdinal(o)) == nil {
			continue // the product holds one version
		}
		of := fmt.Sprintf(" of version %d", o)
		x.update(ctx, t, "the role"+of, o, secret.Patch{MakeCurrent: true})
		x.update(ctx, t, "a content type"+of, o, secret.Patch{ContentType: ptr("text/plain")})
		x.update(ctx, t, "other tags of the secret, by way"+of, o, secret.Patch{SecretTags: &other})
		x.update(ctx, t, "tags"+of, o, secret.Patch{Tags: &own})
		x.update(ctx, t, "both tags, by way"+of, o, secret.Patch{Tags: &none, SecretTags: &own})
		x.update(ctx, t, "an empty set"+of, o, secret.Patch{Tags: &empty})
		x.update(ctx, t, "no tags"+of, o, secret.Patch{Tags: &none})
	}
	x.put(ctx, t, nil)
	x.put(ctx, t, own)
	x.update(ctx, t, "an empty set of the secret", newest+2, secret.Patch{SecretTags: &empty})
	x.put(ctx, t, nil)
	if _, err := b.Delete(ctx, x.name, time.Time{}); err != nil {
		t.Fatal(checkErr(t, err))
	}
	if _, err := b.Recover(ctx, x.name); err != nil {
		t.Fatal(checkErr(t, err))
	}
	x.check(ctx, t, "recovered")
}

func readTags(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, ofSecret, ofVersion map[string]string) {
	t.Helper()
	for what, s := range map[string]*secret.Secret{
		"Get": getSecret(ctx, t, b, name, secret.Current), "Describe": describe(ctx, t, b, name), "Export": export(ctx, t, b, name),
	} {
		wantTags(t, what, s, ofSecret, ofVersion)
	}
}

// wantTags looks at the newest version of s.
func wantTags(t *testing.T, what string, s *secret.Secret, ofSecret, ofVersion map[string]string) {
	t.Helper()
	if !secret.SameTags(s.Tags, ofSecret) {
		t.Errorf("%s of %q: the secret's tags are %#v, want %#v", what, s.Name, s.Tags, ofSecret)
	}
	if v := s.Newest(); !secret.SameTags(v.Tags, ofVersion) {
		t.Errorf("%s of %q: the version's tags are %#v, want %#v", what, s.Name, v.Tags, ofVersion)
	}
}
