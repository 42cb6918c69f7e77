package backendtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// beginUpdate is begin for cases of backends.Backend.
func beginUpdate(t *testing.T, h Harness) (context.Context, backends.Backend, backends.Backend) {
	t.Helper()
	ctx, b := begin(t, h)
	return ctx, b, b
}

// patched is what a Patch means, said again: s after p, but for the times.
func patched(s *secret.Secret, sel secret.Selector, p secret.Patch) *secret.Secret {
	s = s.Clone()
	v := s.Find(sel)
	replace(&v.ContentType, p.ContentType)
	replace(&v.Disabled, p.Disabled)
	replace(&v.NotBefore, p.NotBefore)
	replace(&v.Expires, p.Expires)
	replace(&v.Tags, p.Tags)
	replace(&s.Description, p.Description)
	replace(&s.Tags, p.SecretTags)
	v.Stages = slices.DeleteFunc(v.Stages, func(l string) bool { return slices.Contains(p.DropStages, l) })
	for i := range s.Versions {
		w := &s.Versions[i]
		w.Stages = slices.DeleteFunc(w.Stages, func(l string) bool { return slices.Contains(p.AddStages, l) })
	}
	v.Stages = append(v.Stages, p.AddStages...)
	slices.Sort(v.Stages)
	if p.MakeCurrent && s.Current != v.Ordinal {
		s.Previous = s.Current
		s.Current = v.Ordinal
	}
	if p.MakePrevious {
		s.Previous = v.Ordinal
	}
	if s.Extra == nil {
		s.Extra = secret.Extra{}
	}
	for k, m := range p.Extra {
		if s.Extra[k] = m; m == nil {
			delete(s.Extra, k)
		}
	}
	return s.Clone()
}

func replace[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// mayRefuse reports whether a store may answer Lossy to p, which leads to next.
// One that has little room may have none for a role beside everything else;
// testRolesMove is about roles alone.
func mayRefuse(b backends.Backend, p secret.Patch, next *secret.Secret) bool {
	tight := foretold(b.Forecast(Sample("s")), 0, loss.Extra)
	return secret.Worst(b.Forecast(next)) >= secret.Meaning || (tight && (p.MakeCurrent || p.MakePrevious))
}

// update applies p to the secret that stands as have, proves that this and
// nothing else happened, and returns what stands now.
func update(ctx context.Context, t *testing.T, b backends.Backend, u backends.Backend, what string, have *secret.Secret, sel secret.Selector, p secret.Patch) *secret.Secret {
	t.Helper()
	before, next := have.Find(sel), patched(have, sel, p)
	got, err := u.Update(ctx, have.Name, sel, p)
	if errors.Is(err, secret.Lossy) && mayRefuse(b, p, next) {
		if secret.DetailOf(err) == "" {
			t.Errorf("%s: refused as lossy without saying what", what)
		}
		compareAs(t, what+", refused", have, export(ctx, t, b, have.Name))
		return have
	}
	if err != nil {
		t.Fatalf("%s: %v", what, checkErr(t, err))
	}
	if len(got.Versions) != 1 || got.Versions[0].Ordinal != before.Ordinal {
		t.Fatalf("%s: the answer holds the versions %d, want %d alone", what, ordinals(got), before.Ordinal)
	}
	v := &got.Versions[0]
	checkMoved(t, what, before.Updated, v.Updated)
	if got.Updated.Before(have.Updated) {
		t.Errorf("%s: the secret's Updated goes back from %v to %v", what, have.Updated, got.Updated)
	}
	next.Find(secret.ByOrdinal(v.Ordinal)).Updated, next.Updated = v.Updated, got.Updated
	compareAs(t, what+", the answer", attributesOf(next.Only(v.Ordinal)), attributesOf(got))
	if !v.Value.IsNone() {
		t.Errorf("%s: the answer holds a value", what)
	}
	compareAs(t, what, next, export(ctx, t, b, have.Name))
	return next
}

// checkMoved wants Updated to move. A product whose clock shows whole seconds
// may say the same second twice.
func checkMoved(t *testing.T, what string, before, after time.Time) {
	t.Helper()
	coarse := after.Nanosecond() == 0 && after.Equal(before)
	if !after.After(before) && !coarse {
		t.Errorf("%s: Updated was %v and is %v", what, before, after)
	}
}

func compareAs(t *testing.T, what string, want, got *secret.Secret) {
	t.Helper()
	for _, d := range Differences(want, got, nil) {
		t.Errorf("%s: %s", what, d)
	}
}

// attributesOf leaves out what a call that returns no value need not say.
func attributesOf(s *secret.Secret) *secret.Secret {
	s = s.WithoutValues()
	for i := range s.Versions {
		if s.Versions[i].Missing == secret.Unreadable {
			s.Versions[i].Missing = ""
		}
	}
	return s
}

// updatable has five versions: 1 plain, 2 with everything, 3 without a value,
// 4 previous, 5 current.
func updatable(name secret.Name) *secret.Secret {
	s := bare(name, 1, 2, 3, 4, 5)
	s.Description, s.Tags = "before", map[string]string{"team": "a"}
	s.Extra = secret.Extra{"azure.kept": json.RawMessage(`"kept"`), "azure.old": json.RawMessage(`1`)}
	v := &s.Versions[1]
	v.ContentType, v.Tags, v.Disabled, v.Stages = "text/plain", map[string]string{"a": "1", "b": "2"}, true, []string{"blue", "green"}
	v.NotBefore, v.Expires = sampleTime.Truncate(time.Second), sampleTime.AddDate(30, 0, 0).Truncate(time.Second)
	s.Versions[2].Value, s.Versions[2].Missing = secret.Value{}, secret.Destroyed
	return s
}

func ptr[T any](v T) *T { return &v }

type updateStep struct {
	what string
	sel  secret.Selector
	p    secret.Patch
}

func updateSteps() []updateStep {
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	two, four := secret.ByOrdinal(2), secret.ByOrdinal(4)
	byUID := secret.ByUID(secret.DeriveUID("bare", "s", "1", sampleTime))
	var never time.Time
	return []updateStep{
		{"nothing", secret.Current, secret.Patch{}},
		{"a content type", secret.Current, secret.Patch{ContentType: ptr("a/b")}},
		{"another content type", two, secret.Patch{ContentType: ptr("c/d")}},
		{"no content type", two, secret.Patch{ContentType: ptr("")}},
		{"disabled", byUID, secret.Patch{Disabled: ptr(true)}},
		{"disabled again", byUID, secret.Patch{Disabled: ptr(true)}},
		{"tags of a disabled version", byUID, secret.Patch{Tags: &map[string]string{"x": "y"}}},
		{"enabled", byUID, secret.Patch{Disabled: ptr(false)}},
		{"enabled after an import", two, secret.Patch{Disabled: ptr(false)}},
		{"not before", byUID, secret.Patch{NotBefore: &at}},
		{"another not before", two, secret.Patch{NotBefore: &at}},
		{"no not before", two, secret.Patch{NotBefore: &never}},
		{"expires", byUID, secret.Patch{Expires: &at}},
		{"no expires", two, secret.Patch{Expires: &never}},
		{"other tags", two, secret.Patch{Tags: &map[string]string{"b": "3", "ü": ""}}},
		{"no tags", two, secret.Patch{Tags: &map[string]string{}}},
		{"a stage", byUID, secret.Patch{AddStages: []string{"red"}}},
		{"a stage twice", byUID, secret.Patch{AddStages: []string{"red"}}},
		{"a stage that another holds", four, secret.Patch{AddStages: []string{"green", "amber"}}},
		{"a stage dropped", four, secret.Patch{DropStages: []string{"amber"}}},
		{"a stage dropped that another holds", four, secret.Patch{DropStages: []string{"blue"}}},
		{"a stage dropped that nobody holds", four, secret.Patch{DropStages: []string{"grey"}}},
		{"stages added and dropped", four, secret.Patch{AddStages: []string{"blue"}, DropStages: []string{"green"}}},
		{"an old version current", two, secret.Patch{MakeCurrent: true}},
		{"the current version current", secret.Current, secret.Patch{MakeCurrent: true}},
		{"an old version previous", byUID, secret.Patch{MakePrevious: true}},
		{"the previous version current", byUID, secret.Patch{MakeCurrent: true}},
		{"a description", secret.Current, secret.Patch{Description: ptr("after\nall")}},
		{"no description", two, secret.Patch{Description: ptr("")}},
		{"tags of the secret", secret.Current, secret.Patch{SecretTags: &map[string]string{"x": "y"}}},
		{"no tags of the secret", secret.Current, secret.Patch{SecretTags: &map[string]string{}}},
		{"extra", secret.Current, secret.Patch{Extra: map[string]json.RawMessage{"azure.old": json.RawMessage(`2`), "azure.new": json.RawMessage(`"n"`)}}},
		{"less extra", secret.Current, secret.Patch{Extra: map[string]json.RawMessage{"azure.old": nil, "azure.never": nil}}},
		{"a version without a value", secret.ByOrdinal(3), secret.Patch{Tags: &map[string]string{"x": "y"}}},
		{"much at once", four, secret.Patch{
			ContentType: ptr("e/f"), Disabled: ptr(true), NotBefore: &at, Expires: ptr(at.Add(time.Hour)), Tags: &map[string]string{"z": "z"},
			AddStages: []string{"last"}, Description: ptr("end"),
		}},
	}
}

// testUpdate: each member of a patch changes what it names and nothing else,
// and every version goes on answering to its ids, with its value.
func testUpdate(t *testing.T, h Harness) {
	ctx, b, u := beginUpdate(t, h)
	src := updatable("s")
	mustImport(ctx, t, b, src, "")
	have := loss.Apply(src, b.Forecast(src))
	for i := range have.Versions {
		if v := &have.Versions[i]; v.UID.IsZero() { // foretold to be another
			v.UID = get(ctx, t, b, "s", secret.ByOrdinal(v.Ordinal)).UID
		}
	}
	for _, step := range updateSteps() {
		if have.Find(step.sel) == nil {
			continue // the product could not hold that version
		}
		have = update(ctx, t, b, u, step.what, have, step.sel, step.p)
	}
	for i := range have.Versions {
		v := &have.Versions[i]
		for _, sel := range []secret.Selector{secret.ByOrdinal(v.Ordinal), secret.ByUID(v.UID)} {
			compareAs(t, fmt.Sprint("Get of ", sel), have.Only(v.Ordinal), getSecret(ctx, t, b, "s", sel))
		}
	}
	if put(ctx, t, b, "s", text(canary+"next")).Ordinal <= have.Newest().Ordinal {
		t.Error("an ordinal is given again after updates")
	}
}

// testUpdateOfPut: what a Put wrote can be updated as well as what an import
// did, and a new version takes nothing of it over.
func testUpdateOfPut(t *testing.T, h Harness) {
	ctx, b, u := beginUpdate(t, h)
	for i := range 3 {
		put(ctx, t, b, "s", text(fmt.Sprint(canary, i)))
	}
	values := export(ctx, t, b, "s")
	for _, o := range ordinals(values) {
		p := secret.Patch{ContentType: ptr("a/" + o.String()), Disabled: ptr(true), Tags: &map[string]string{"n": o.String()}}
		have := export(ctx, t, b, "s")
		for i := range have.Versions { // a disabled value may be hidden by now
			have.Versions[i].Value, have.Versions[i].Missing = values.Versions[i].Value, ""
		}
		update(ctx, t, b, u, "version "+o.String(), have, secret.ByOrdinal(o), p)
	}
	v := put(ctx, t, b, "s", text(canary+"next"))
	if v.Disabled || v.ContentType != "" || len(v.Tags) > 0 {
		t.Error("a new version takes over what an update changed of another")
	}
}

func testUpdateRefused(t *testing.T, h Harness) {
	ctx, b, u := beginUpdate(t, h)
	src := bare("s", 1, 2, 3)
	mustImport(ctx, t, b, src, "")
	before := export(ctx, t, b, "s")
	elsewhere := put(ctx, t, b, "other", text(canary+"x"))
	tags := secret.Patch{Tags: &map[string]string{"x": "y"}}
	for what, c := range map[string]struct {
		name secret.Name
		sel  secret.Selector
		p    secret.Patch
		kind secret.Kind
	}{
		"an absent name":              {"absent", secret.Current, tags, secret.NotFound},
		"a longer name":               {"s/x", secret.Current, tags, secret.NotFound},
		"a later ordinal":             {"s", secret.ByOrdinal(9), tags, secret.NotFound},
		"an unknown UID":              {"s", secret.ByUID(secret.NewUID()), tags, secret.NotFound},
		"a UID of elsewhere":          {"s", secret.ByUID(elsewhere.UID), tags, secret.NotFound},
		"both roles":                  {"s", secret.ByOrdinal(1), secret.Patch{MakeCurrent: true, MakePrevious: true}, secret.Invalid},
		"current as previous":         {"s", secret.Current, secret.Patch{MakePrevious: true}, secret.Invalid},
		"a stage without a name":      {"s", secret.Current, secret.Patch{AddStages: []string{""}}, secret.Invalid},
		"a stage in and out":          {"s", secret.Current, secret.Patch{AddStages: []string{"a"}, DropStages: []string{"a"}}, secret.Invalid},
		"a tag that is no text":       {"s", secret.Current, secret.Patch{Tags: &map[string]string{"a": "\xff"}}, secret.Invalid},
		"a content type of no text":   {"s", secret.Current, secret.Patch{ContentType: ptr("\xff")}, secret.Invalid},
		"a description of no text":    {"s", secret.Current, secret.Patch{Description: ptr("\xff")}, secret.Invalid},
		"extra that is no JSON":       {"s", secret.Current, secret.Patch{Extra: map[string]json.RawMessage{"azure.a": json.RawMessage(`{`)}}, secret.Invalid},
		"good members beside bad one": {"s", secret.Current, secret.Patch{Disabled: ptr(true), AddStages: []string{"ok", ""}}, secret.Invalid},
	} {
		_, err := u.Update(ctx, c.name, c.sel, c.p)
		wantErr(t, "Update with "+what, err, c.kind)
	}
	compareAs(t, "after refused updates", before, export(ctx, t, b, "s"))
	if got := names(ctx, t, b, 0); len(got) != 2 {
		t.Errorf("refused updates leave %d secrets, want 2", len(got))
	}
}

func testUpdateAliasing(t *testing.T, h Harness) {
	ctx, b, u := beginUpdate(t, h)
	put(ctx, t, b, "s", text(canary+"x"))
	p := secret.Patch{
		Tags: &map[string]string{"a": "b"}, SecretTags: &map[string]string{"c": "d"}, AddStages: []string{"one"},
		Extra: map[string]json.RawMessage{"azure.a": json.RawMessage(`1`)},
	}
	got, err := u.Update(ctx, "s", secret.Current, p)
	if errors.Is(err, secret.Lossy) {
		p = secret.Patch{Tags: &map[string]string{"a": "b"}}
		got, err = u.Update(ctx, "s", secret.Current, p)
	}
	if err != nil {
		t.Fatal(checkErr(t, err))
	}
	want := export(ctx, t, b, "s")
	spoil(got)
	spoilMap(*p.Tags)
	if p.SecretTags != nil {
		spoilMap(*p.SecretTags)
		spoilMap(p.Extra)
		p.AddStages[0] = "spoilt"
	}
	compareAs(t, "after the caller changed its own", want, export(ctx, t, b, "s"))
}
