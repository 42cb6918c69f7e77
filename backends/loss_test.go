package backends_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
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
		{backends.LossVersion, 1, func(s *secret.Secret) { s.Versions, s.Previous = s.Versions[1:], 0 }},
		{backends.LossVersion, 2, func(s *secret.Secret) { s.Versions, s.Current = s.Versions[:1], 0 }},
		{backends.LossValue, 1, first(func(v *secret.Version) { v.Value, v.Missing = secret.Value{}, secret.Destroyed })},
		{backends.LossState, 1, first(func(v *secret.Version) { v.Disabled = false })},
		{backends.LossExpires, 1, first(func(v *secret.Version) { v.Expires = time.Time{} })},
		{backends.LossNotBefore, 1, first(func(v *secret.Version) { v.NotBefore = time.Time{} })},
		{backends.LossExpiresFraction, 1, first(func(v *secret.Version) { v.Expires = time.Unix(2e9, 0) })},
		{backends.LossNotBeforeFraction, 1, first(func(v *secret.Version) { v.NotBefore = time.Unix(1e9, 0) })},
		{backends.LossContentType, 1, first(func(v *secret.Version) { v.ContentType = "" })},
		{backends.LossTags, 1, first(func(v *secret.Version) { v.Tags = nil })},
		{backends.LossStages, 1, first(func(v *secret.Version) { v.Stages = nil })},
		{backends.LossExtra, 1, first(func(v *secret.Version) { v.Extra = nil })},
		{backends.LossTags, 0, func(s *secret.Secret) { s.Tags = nil }},
		{backends.LossExtra, 0, func(s *secret.Secret) { s.Extra = nil }},
		{backends.LossDescription, 0, func(s *secret.Secret) { s.Description = "" }},
		{backends.LossDisabled, 1, nil},
		{backends.LossCurrent, 0, nil},
		{backends.LossPrevious, 0, nil},
		{backends.LossCreated, 1, nil},
		{backends.LossUpdated, 1, nil},
		{backends.LossCreated, 0, nil},
		{backends.LossForm, 1, nil},
		{"no such word", 1, nil},
		{backends.LossValue, 9, nil},
	} {
		s, want := lossy(), lossy()
		if c.change != nil {
			c.change(want)
		}
		got := backends.Apply(s, []secret.Loss{{Grade: secret.Meaning, Version: c.version, What: c.what, Why: "test"}})
		for _, d := range backendtest.Differences(want, got, nil) {
			t.Errorf("%s of %d: %s", c.what, c.version, d)
		}
		if d := backendtest.Differences(lossy(), s, nil); len(d) > 0 {
			t.Errorf("%s of %d changes its argument: %v", c.what, c.version, d)
		}
	}
}

// TestApplyUID: a lost UID is zero, for the product chooses the new one.
func TestApplyUID(t *testing.T) {
	t.Parallel()
	got := backends.Apply(lossy(), []secret.Loss{{Version: 1, What: backends.LossUID}})
	if !got.Versions[0].UID.IsZero() || got.Versions[1].UID.IsZero() {
		t.Error("the UID of version 1 alone is to be zero")
	}
}

// TestApplyOrder: a version that loses much and then itself is gone, whatever
// the order of the losses.
func TestApplyOrder(t *testing.T) {
	t.Parallel()
	losses := []secret.Loss{{Version: 1, What: backends.LossVersion}, {Version: 1, What: backends.LossValue}, {Version: 2, What: backends.LossTags}}
	for range 2 {
		got := backends.Apply(lossy(), losses)
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
