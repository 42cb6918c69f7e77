package history_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// TestPatchMovesUpdated: whatever the clock says, and however far ahead an
// import was, Updated moves, in whole milliseconds, and Created does not.
func TestPatchMovesUpdated(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 678_912_345, time.UTC)
	ms := now.Truncate(time.Millisecond)
	for what, c := range map[string]struct{ was, want time.Time }{
		"long ago":           {now.AddDate(-1, 0, 0), ms},
		"never":              {time.Time{}, ms},
		"the same instant":   {now, ms.Add(time.Millisecond)},
		"the same stamp":     {ms, ms.Add(time.Millisecond)},
		"the stamp before":   {ms.Add(-time.Millisecond), ms},
		"a clock put back":   {now.Add(time.Hour), ms.Add(time.Hour + time.Millisecond)},
		"another zone":       {now.In(time.FixedZone("far", 3600)), ms.Add(time.Millisecond)},
		"just before a tick": {ms.Add(-1), ms},
	} {
		v := secret.Version{Ordinal: 1, Created: c.was, Updated: c.was}
		history.PatchVersion(&v, &secret.Patch{}, now)
		if !v.Updated.Equal(c.want) || !v.Updated.After(c.was) || !v.Created.Equal(c.was) {
			t.Errorf("%s: Updated was %v and is %v, want %v", what, c.was, v.Updated, c.want)
		}
	}
}

// TestPatchTags: none and empty are two things.
func TestPatchTags(t *testing.T) {
	t.Parallel()
	var none map[string]string
	v := secret.Version{Tags: map[string]string{"a": "b"}}
	history.PatchVersion(&v, &secret.Patch{Tags: &map[string]string{}}, time.Now())
	if v.Tags == nil || len(v.Tags) != 0 {
		t.Errorf("set to nothing: %v", v.Tags)
	}
	history.PatchVersion(&v, &secret.Patch{Tags: &none}, time.Now())
	if v.Tags != nil {
		t.Errorf("unset: %v", v.Tags)
	}
}

// TestPatchOfHead: the secret's Updated never goes back, and a head that has
// refused a patch is what it was.
func TestPatchOfHead(t *testing.T) {
	t.Parallel()
	ahead := time.Now().Add(time.Hour)
	s := odd()
	s.Updated = ahead
	h, err := history.HeadOf(s)
	if err != nil {
		t.Fatal(err)
	}
	v := s.Versions[1].Clone()
	err = h.Patch(&v, &secret.Patch{MakePrevious: true, Description: new(string), AddStages: []string{"x"}}, time.Now())
	if !errors.Is(err, secret.Invalid) || h.Secret.Description != "d" || h.Secret.Previous != 1 || len(h.StagesOf(2)) != 1 {
		t.Errorf("the current version as previous: %v, or something has changed", err)
	}
	if err := h.Patch(&v, &secret.Patch{}, time.Now()); err != nil || !h.Secret.Updated.Equal(ahead) {
		t.Errorf("%v, Updated is %v, want %v", err, h.Secret.Updated, ahead)
	}
}

func TestPatchExtra(t *testing.T) {
	t.Parallel()
	before := secret.Extra{"a": json.RawMessage(`1`), "b": json.RawMessage(`2`)}
	after := history.PatchExtra(before, map[string]json.RawMessage{"a": nil, "b": json.RawMessage(`null`), "c": json.RawMessage(`3`)})
	if len(after) != 2 || string(after["b"]) != "null" || string(after["c"]) != "3" {
		t.Errorf("%d members", len(after))
	}
	if len(before) != 2 || string(before["b"]) != "2" {
		t.Error("what it was made of has changed")
	}
	if got := history.PatchExtra(nil, map[string]json.RawMessage{"a": nil}); len(got) != 0 {
		t.Errorf("%d members of none", len(got))
	}
}

// TestImportIsLive: a secret taken out of a trash is not imported into one.
func TestImportIsLive(t *testing.T) {
	t.Parallel()
	s := odd()
	s.Deleted = &secret.Deletion{At: time.Now()}
	h, err := history.HeadOf(s)
	if err != nil || h.Secret.Deleted != nil || s.Deleted == nil {
		t.Errorf("%v, or the head is deleted, or its source has changed", err)
	}
}

// odd is a secret of which each attribute is set.
func odd() *secret.Secret {
	extra := secret.Extra{"a": json.RawMessage(`1`)}
	tags := map[string]string{"k": "v"}
	v := secret.Version{
		Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue("x"), ContentType: "text", Tags: tags, Disabled: true,
		NotBefore: time.Unix(1e9, 5), Expires: time.Unix(2e9, 5), Created: time.Unix(1e9, 0), Updated: time.Unix(1e9, 1),
		Stages: []string{"s"}, Extra: extra,
	}
	w := v.Clone()
	w.Ordinal, w.UID, w.Stages = 2, secret.UID{2}, []string{"t"}
	return &secret.Secret{
		Name: "s", Description: "d", Tags: tags, Created: v.Created, Updated: v.Updated,
		Current: 2, Previous: 1, Versions: []secret.Version{v, w}, Extra: extra,
	}
}
