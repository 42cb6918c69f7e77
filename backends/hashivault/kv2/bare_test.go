package kv2

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestBareKeys: what native tools set of a key before its first version is named
// by a list, shown by no name, taken along by a write, and replaced by no import.
func TestBareKeys(t *testing.T) {
	f := newFixture(t)
	owner := map[string]any{"owner": "me"}
	for path, is := range map[string]map[string]any{
		"tagged": {"custom_metadata": owner}, "limited": {"max_versions": 5}, "checked": {"cas_required": true}, "plain": {},
	} {
		f.nativeWrite(t, "metadata/"+path, is)
	}
	p, err := f.List(t.Context(), secret.Query{WithTrash: true})
	var got []secret.Name
	for _, l := range p.LeftOut {
		got = append(got, l.Name)
	}
	if err != nil || len(p.Secrets) > 0 || !slices.Equal(got, []secret.Name{"checked", "limited", "tagged"}) {
		t.Errorf("left out is %q: %v", got, err)
	}
	if _, err := f.Describe(t.Context(), "tagged"); !errors.Is(err, secret.NotFound) || secret.DetailOf(err) != bareKey {
		t.Errorf("Describe: %v", err)
	}
	f.nativeWrite(t, "metadata/put", map[string]any{"custom_metadata": owner})
	f.mustPut(t, "put", kvtest.Text("x"))
	f.wantTags(t, "put", map[string]string{"owner": "me"})
	restore := func(name secret.Name, tags map[string]string, extra secret.Extra) error {
		s := kvtest.Many(name, 3, "")
		s.Tags, s.Extra = tags, extra
		_, err := f.Import(t.Context(), s, "token")
		return err
	}
	limit := secret.Extra{extraMax: json.RawMessage("7")}
	for i, err := range []error{
		restore("tagged", nil, nil), restore("tagged", map[string]string{"owner": "you"}, nil), restore("limited", nil, limit),
	} {
		if !errors.Is(err, secret.Conflict) || secret.DetailOf(err) != detailBare {
			t.Errorf("import %d: %v", i, err)
		}
	}
	for path, want := range map[string]string{"tagged": "me", "limited": ""} {
		if m := f.metadataOf(t, path); m.CurrentVersion != 0 || len(m.CustomMetadata) != len(want)/2 || want != "" && m.CustomMetadata["owner"] != want {
			t.Errorf("%s is at version %d with %v", path, m.CurrentVersion, m.CustomMetadata)
		}
	}
	if err := errors.Join(
		restore("tagged", map[string]string{"owner": "me", "more": "x"}, nil), restore("limited", nil, nil), restore("checked", nil, limit), restore("plain", nil, limit),
	); err != nil {
		t.Error(err)
	}
	f.wantTags(t, "tagged", map[string]string{"owner": "me", "more": "x"})
	if m := f.metadataOf(t, "limited"); m.MaxVersions != 5 {
		t.Errorf("max_versions is %d, want that of before", m.MaxVersions)
	}
}

// TestRefusedImportGivesTheLimitBack: an import that wrote nothing leaves a key
// as somebody had set it.
func TestRefusedImportGivesTheLimitBack(t *testing.T) {
	f := newFixture(t)
	f.nativeWrite(t, "metadata/s", map[string]any{"max_versions": 2})
	f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, `
		path "`+f.conf.Mount+`/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
		path "`+f.conf.Mount+`/data/*" { capabilities = ["read"] }`)))
	b := f.open(t, nil)
	if _, err := b.Import(t.Context(), kvtest.Many("s", 5, "x"), "token"); err == nil {
		t.Fatal("an import without the right to write is done")
	}
	if m := f.metadataOf(t, "s"); m.MaxVersions != 2 || len(m.CustomMetadata) > 0 {
		t.Errorf("max_versions is %d, beside %v", m.MaxVersions, m.CustomMetadata)
	}
}
