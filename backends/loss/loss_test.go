package loss_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// TestApply: each word takes away its own attribute and nothing else.
func TestApply(t *testing.T) {
	t.Parallel()
	first := func(f func(*secret.Version)) func(*secret.Secret) {
		return func(s *secret.Secret) { f(&s.Versions[0]) }
	}
	for _, c := range []struct {
		what    string
		version secret.Ordinal
		change  func(*secret.Secret) // what Apply must do; nil: nothing
	}{
		{loss.Version, 1, func(s *secret.Secret) { s.Versions, s.Previous = s.Versions[1:], 0 }},
		{loss.Version, 2, func(s *secret.Secret) { s.Versions, s.Current = s.Versions[:1], 0 }},
		{loss.Value, 1, first(func(v *secret.Version) { v.Value, v.Missing = secret.Value{}, secret.Destroyed })},
		{loss.State, 1, first(func(v *secret.Version) { v.Disabled = false })},
		{loss.Expires, 1, first(func(v *secret.Version) { v.Expires = time.Time{} })},
		{loss.NotBefore, 1, first(func(v *secret.Version) { v.NotBefore = time.Time{} })},
		{loss.ExpiresFraction, 1, first(func(v *secret.Version) { v.Expires = time.Unix(2e9, 0) })},
		{loss.NotBeforeFraction, 1, first(func(v *secret.Version) { v.NotBefore = time.Unix(1e9, 0) })},
		{loss.ContentType, 1, first(func(v *secret.Version) { v.ContentType = "" })},
		{loss.Tags, 1, first(func(v *secret.Version) { v.Tags = nil })},
		{loss.Stages, 1, first(func(v *secret.Version) { v.Stages = nil })},
		{loss.Extra, 1, first(func(v *secret.Version) { v.Extra = nil })},
		{loss.Tags, 0, func(s *secret.Secret) { s.Tags = nil }},
		{loss.Extra, 0, func(s *secret.Secret) { s.Extra = nil }},
		{loss.Description, 0, func(s *secret.Secret) { s.Description = "" }},
		{loss.Ordinal, 1, nil},
		{loss.Managed, 1, nil},
		{loss.Subscriptions, 0, nil},
		{loss.Disabled, 1, nil},
		{loss.Current, 0, nil},
		{loss.Previous, 0, nil},
		{loss.Created, 1, nil},
		{loss.Updated, 1, nil},
		{loss.Created, 0, nil},
		{loss.Form, 1, nil},
		{loss.Number, 0, nil},
		{loss.Deletion, 1, nil},
		{"no such word", 1, nil},
		{loss.Value, 9, nil},
	} {
		s, want := lossy(), lossy()
		if c.change != nil {
			c.change(want)
		}
		got := loss.Apply(s, []secret.Loss{{Grade: secret.Meaning, Version: c.version, What: c.what, Why: "test"}})
		for _, d := range backendtest.Differences(want, got, nil) {
			t.Errorf("%s of %d: %s", c.what, c.version, d)
		}
		if d := backendtest.Differences(lossy(), s, nil); len(d) > 0 {
			t.Errorf("%s of %d changes its argument: %v", c.what, c.version, d)
		}
	}
}

// TestApplyUID: a lost UID is zero, for the product chooses the new one.
// TestApplyValue: where nothing can bring a value back, the version says so.
func TestApplyValue(t *testing.T) {
	t.Parallel()
	for was, want := range map[secret.Missing]secret.Missing{
		secret.Deleted: secret.Unsaved, secret.Unreadable: secret.Unsaved, secret.Unsaved: secret.Unsaved, secret.Destroyed: secret.Destroyed,
	} {
		s := &secret.Secret{Name: "n", Versions: []secret.Version{{Ordinal: 1, Missing: was}}}
		if got := loss.Apply(s, []secret.Loss{{Grade: secret.Trace, Version: 1, What: loss.Value}}).Versions[0].Missing; got != want {
			t.Errorf("%s becomes %q, want %q", was, got, want)
		}
	}
}

func TestApplyUID(t *testing.T) {
	t.Parallel()
	got := loss.Apply(lossy(), []secret.Loss{{Version: 1, What: loss.UID}})
	if !got.Versions[0].UID.IsZero() || got.Versions[1].UID.IsZero() {
		t.Error("the UID of version 1 alone is to be zero")
	}
}

// TestHeldEmptyTags: an empty set of tags can be lost, and being without cannot.
func TestHeldEmptyTags(t *testing.T) {
	t.Parallel()
	for _, o := range []secret.Ordinal{0, 1} {
		s, l := lossy(), secret.Loss{Version: o, What: loss.Tags}
		for want, tags := range map[bool]map[string]string{true: {}, false: nil} {
			s.Tags, s.Versions[0].Tags = tags, tags
			if loss.Held(s, l) != want {
				t.Errorf("tags %#v of %d are held: %v", tags, o, !want)
			}
		}
	}
}

// TestApplyOrder: a version that loses much and then itself is gone, whatever
// the order of the losses.
func TestApplyOrder(t *testing.T) {
	t.Parallel()
	losses := []secret.Loss{{Version: 1, What: loss.Version}, {Version: 1, What: loss.Value}, {Version: 2, What: loss.Tags}}
	for range 2 {
		got := loss.Apply(lossy(), losses)
		if len(got.Versions) != 1 || got.Versions[0].Tags != nil || got.Previous != 0 || got.Current != 2 {
			t.Errorf("%d versions stand, current %d, previous %d", len(got.Versions), got.Current, got.Previous)
		}
		slices.Reverse(losses)
	}
}

func lossy() *secret.Secret {
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
