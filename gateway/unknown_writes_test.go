package gateway_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// A repeat that cannot find out whether the first write landed writes nothing,
// and does not forget that it is a repeat.
func TestARepeatWaitsUntilItKnows(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]int{"for a moment": 1, "for longer than one call": 4} {
		w := newWorld(t, nil)
		lost := false
		w.a.After = func(_ context.Context, m string) error {
			if m == "Put" && !lost {
				lost = true
				return &secret.Error{Kind: secret.Unknown}
			}
			return nil
		}
		_, err := w.Put(t.Context(), call, refA, draft("hush"))
		wantKind(t, err, secret.Unknown)
		w.a.Before = func(context.Context, string) error {
			if down--; down >= 0 {
				return &secret.Error{Kind: secret.Unavailable}
			}
			return nil
		}
		for range 2 {
			made, err := w.Put(t.Context(), call, refA, draft("hush"))
			switch {
			case err != nil:
				wantKind(t, err, secret.Unavailable)
			case made.Newest().Ordinal != 1:
				t.Errorf("down %s: the repeat made version %d", name, made.Newest().Ordinal)
			}
		}
		if s, err := w.a.Describe(t.Context(), "n"); err != nil || len(s.Versions) != 1 {
			t.Errorf("down %s: more than one version, or %v", name, err)
		}
	}
}

// A write that leaves the current role where it is made no current version,
// and is known again all the same.
func TestARepeatThatKeepsCurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1")
	lose := true
	w.a.After = func(_ context.Context, m string) error {
		if m == "Put" && lose {
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	d := draft("hush2")
	d.KeepCurrent = true
	_, err := w.Put(t.Context(), call, refA, d)
	wantKind(t, err, secret.Unknown)
	lose = false
	made, err := w.Put(t.Context(), call, refA, d)
	if err != nil || len(made.Versions) != 1 || made.Newest().Ordinal != 2 || made.Current != 1 {
		t.Errorf("the repeat: %v", err)
	}
	if s, err := w.a.Describe(t.Context(), "n"); err != nil || len(s.Versions) != 2 {
		t.Errorf("the repeat made another version, or %v", err)
	}
}

// The same of a restore that finds its name taken, by itself perhaps.
func TestARepeatedRestoreWaitsUntilItKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2")
	blob := backupOf(t, w, refA)
	w.b.After = func(_ context.Context, m string) error {
		if m == "Import" {
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.Unknown)
	down := 4
	w.b.Before = func(_ context.Context, m string) error {
		if m == "Describe" {
			if down--; down >= 0 {
				return &secret.Error{Kind: secret.Unavailable}
			}
		}
		return nil
	}
	_, err = w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.Unavailable)
	if out, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{}); err != nil || len(out.Versions) != 2 {
		t.Errorf("the product is back: %v", err)
	}
}

// terse leaves out of a Get of current what it may.
type terse struct{ backends.Backend }

func (b terse) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	s, err := b.Backend.Get(ctx, name, sel)
	if err == nil && sel.IsCurrent() {
		s.Previous, s.Created, s.Updated = 0, time.Time{}, time.Time{}
	}
	return s, err
}

// TestARepeatTellsAll: a product may leave the secret's times and the previous
// version out of a Get of current; the answer to a repeat of a write, which shows
// what landed, has them.
func TestARepeatTellsAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1")
	lost := true
	w.a.After = func(_ context.Context, m string) error {
		if m == "Put" && lost {
			lost = false
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	w.a.Backend = terse{w.a.Backend}
	d := draft("hush2")
	_, err := w.Put(t.Context(), call, refA, d)
	wantKind(t, err, secret.Unknown)
	made, err := w.Put(t.Context(), call, refA, d)
	if err != nil {
		t.Fatal(err)
	}
	if made.Newest().Ordinal != 2 || made.Previous != 1 || made.Created.IsZero() || made.Updated.IsZero() {
		t.Errorf("version %d, previous %d, made %v, changed %v", made.Newest().Ordinal, made.Previous, made.Created, made.Updated)
	}
}

// rewording writes the JSON of a version's Extra in its own way.
type rewording struct{ backends.Backend }

func (b rewording) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	s, err := b.Backend.Get(ctx, name, sel)
	if err != nil {
		return nil, err
	}
	for k, raw := range s.Newest().Extra {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, err
		}
		if s.Newest().Extra[k], err = json.MarshalIndent(v, "", " "); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// TestARepeatKnowsItsExtra: a repeat knows the version that it made, however the
// product writes the JSON of it, and takes no other for it.
func TestARepeatKnowsItsExtra(t *testing.T) {
	t.Parallel()
	for stands, want := range map[string]secret.Ordinal{`{"b":[1,{"d":2,"c":3}],"a":null}`: 1, `{"b":[1,{"d":2,"c":4}],"a":null}`: 2} {
		w := newWorld(t, nil)
		lost := true
		w.a.After = func(_ context.Context, m string) error {
			if m == "Put" && lost {
				lost = false
				return &secret.Error{Kind: secret.Unknown}
			}
			return nil
		}
		w.a.Backend = rewording{w.a.Backend}
		d := draft("hush")
		d.Extra = secret.Extra{"vendor.x": json.RawMessage(stands)}
		_, err := w.Put(t.Context(), call, refA, d)
		wantKind(t, err, secret.Unknown)
		d.Extra = secret.Extra{"vendor.x": json.RawMessage(`{"b":[1,{"d":2,"c":3}],"a":null}`)}
		made, err := w.Put(t.Context(), call, refA, d)
		if err != nil {
			t.Fatal(err)
		}
		if got := made.Newest().Ordinal; got != want {
			t.Errorf("%s stands, and the repeat answers version %d, want %d", stands, got, want)
		}
	}
}

// TestNoRepeatOfAnother: the same write by somebody else is a write of his own.
func TestNoRepeatOfAnother(t *testing.T) {
	t.Parallel()
	both := everything
	both.Callers = []string{"c", "d"}
	w := newWorld(t, nil, both)
	w.a.After = func(_ context.Context, m string) error {
		if m == "Put" {
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	_, err := w.Put(t.Context(), call, refA, draft("hush"))
	wantKind(t, err, secret.Unknown)
	w.a.After = nil
	other := call
	other.Caller.ID = "d"
	if made, err := w.Put(t.Context(), other, refA, draft("hush")); err != nil || made.Newest().Ordinal != 2 {
		t.Errorf("another caller's write: %v", err)
	}
}

// TestNoRepeatOfWhatStood: a write that did not land is made by its repeat, and changes
// nothing of a version with the same value that stood before.
func TestNoRepeatOfWhatStood(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	w.a.Backend = memory.New(memory.Options{Now: c.Now})
	put(t, w, refA, "hush")
	c.advance(time.Second)
	lost := func(_ context.Context, m string) error {
		if m == "Put" {
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	w.a.Before = lost
	d := draft("hush")
	d.Tags = map[string]string{"a": "b"}
	_, err := w.Put(t.Context(), call, refA, d)
	wantKind(t, err, secret.Unknown)
	w.a.Before = nil
	if made, err := w.Put(t.Context(), call, refA, d); err != nil || made.Newest().Ordinal != 2 {
		t.Errorf("the repeat: %v", err)
	}
	if s, err := w.a.Describe(t.Context(), "n"); err != nil || len(s.Versions) != 2 || s.Versions[0].Tags != nil {
		t.Errorf("the version that stood was changed, or %v", err)
	}
}

// TestNoRepeatedRestoreOfAnother: a restore that did not land is not taken for done where
// somebody else has made as many versions under the name.
func TestNoRepeatedRestoreOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2")
	blob := backupOf(t, w, refA)
	w.b.Before = func(_ context.Context, m string) error {
		if m == "Import" {
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.Unknown)
	w.b.Before = nil
	put(t, w, refB, "hush3", "hush4")
	_, err = w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.AlreadyExists)
}

// A write of which the value landed and the attributes did not is completed by
// its repeat, in the version that is there.
func TestARepeatCompletesATornWrite(t *testing.T) {
	t.Parallel()
	for what, tags := range map[string]map[string]string{"tags": {"a": "b"}, "an empty set of tags": {}, "no tags": nil} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			completesATornWrite(t, tags)
		})
	}
}

func completesATornWrite(t *testing.T, tags map[string]string) {
	t.Helper()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1")
	torn := false
	w.a.After = func(ctx context.Context, m string) error {
		if m != "Put" || torn {
			return nil
		}
		torn = true
		others := map[string]string{}
		if len(tags) == 0 && tags != nil {
			others = nil
		}
		bare := secret.Patch{ContentType: new(""), Tags: &others, DropStages: []string{"blue"}, Description: new("")}
		if _, err := w.a.Backend.Update(ctx, "n", secret.Current, bare); err != nil {
			t.Error(err)
		}
		return &secret.Error{Kind: secret.Partial}
	}
	d := draft("hush2")
	d.ContentType, d.Tags, d.Stages = "text/plain", tags, []string{"blue"}
	d.OfSecret = &secret.Attributes{Description: "told"}
	_, err := w.Put(t.Context(), call, refA, d)
	wantKind(t, err, secret.Partial)
	made, err := w.Put(t.Context(), call, refA, d)
	if err != nil {
		t.Fatal(err)
	}
	stands, err := w.a.Backend.Get(t.Context(), "n", secret.Current)
	if err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]*secret.Secret{"the answer": made, "what stands": stands} {
		v := s.Newest()
		if v.Ordinal != 2 || !v.Value.Equal(d.Value) || v.ContentType != "text/plain" || !secret.SameTags(v.Tags, tags) ||
			len(v.Stages) != 1 || s.Description != "told" || s.Current != 2 {
			t.Errorf("%s is not what was asked for", what)
		}
	}
	if s, err := w.a.Describe(t.Context(), "n"); err != nil || len(s.Versions) != 2 {
		t.Errorf("the repeat made another version, or %v", err)
	}
}
