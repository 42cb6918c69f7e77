package backendtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

func needMarker(t *testing.T, b backends.Backend) backends.Marker {
	t.Helper()
	m, ok := b.(backends.Marker)
	if !ok {
		t.Skip("a write takes effect in whichever state it finds")
	}
	return m
}

func marked(ctx context.Context, t *testing.T, m backends.Marker, name secret.Name) (*secret.Secret, secret.Mark) {
	t.Helper()
	s, mark, err := m.DescribeMarked(ctx, name)
	if err != nil {
		t.Fatalf("DescribeMarked: %v", checkErr(t, err))
	}
	if mark == "" {
		t.Fatal("a state has no mark")
	}
	return s, mark
}

// testMarked: what was decided by one state is done in no other.
func testMarked(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	m := needMarker(t, b)
	_, _, err := m.DescribeMarked(ctx, "s")
	wantErr(t, "DescribeMarked of nothing", err, secret.NotFound)
	put(ctx, t, b, "s", text("canary-1"))
	put(ctx, t, b, "other", text("canary-other"))
	seen := map[secret.Mark]string{}
	for _, change := range []struct {
		what string
		do   func()
	}{
		{"a creation", func() {}},
		{"a version", func() { put(ctx, t, b, "s", text("canary-2")) }},
		{"a tag", func() { mustUpdate(ctx, t, b, secret.Patch{SecretTags: &map[string]string{"a": "b"}}) }},
		{"a change of a version", func() { mustUpdate(ctx, t, b, secret.Patch{ContentType: new("text/x")}) }},
		{"the same change again", func() { mustUpdate(ctx, t, b, secret.Patch{ContentType: new("text/x")}) }},
		{"a return", func() { remove(ctx, t, b, b, "s"); recoverTrash(ctx, t, b, "s") }},
		{"another of the name", func() {
			remove(ctx, t, b, b, "s")
			mustPurge(t, b.Purge(ctx, "s"))
			put(ctx, t, b, "s", text("canary-1"))
		}},
	} {
		change.do()
		s, mark := marked(ctx, t, m, "s")
		compareAs(t, "DescribeMarked after "+change.what, describe(ctx, t, b, "s"), s)
		if before, ok := seen[mark]; ok {
			t.Fatalf("after %s the state has the mark that it had after %s", change.what, before)
		}
		for old := range seen {
			wantUnmoved(ctx, t, b, old, change.what)
		}
		seen[mark] = change.what
	}
	s, mark := marked(ctx, t, m, "s")
	mustUpdate(ctx, t, b, secret.Patch{ContentType: new("text/y"), If: mark})
	_, mark = marked(ctx, t, m, "s")
	d := text("canary-3")
	d.If = mark
	put(ctx, t, b, "s", d)
	if after, _ := marked(ctx, t, m, "s"); after.Newest().Ordinal <= s.Newest().Ordinal {
		t.Errorf("the newest version is still %d", s.Newest().Ordinal)
	}
}

func mustUpdate(ctx context.Context, t *testing.T, b backends.Backend, p secret.Patch) {
	t.Helper()
	if _, err := b.Update(ctx, "s", secret.Current, p); err != nil {
		t.Fatalf("Update: %v", checkErr(t, err))
	}
}

// wantUnmoved: writes with the mark of an earlier state change nothing.
func wantUnmoved(ctx context.Context, t *testing.T, b backends.Backend, old secret.Mark, since string) {
	t.Helper()
	before := describe(ctx, t, b, "s")
	d := text("canary-stale")
	d.If = old
	_, err := b.Put(ctx, "s", d)
	wantErr(t, "Put by a state before "+since, err, secret.Conflict)
	_, err = needMarker(t, b).Append(ctx, "s", old, []secret.Draft{text("canary-stale")})
	wantErr(t, "Append by a state before "+since, err, secret.Conflict)
	_, err = b.Update(ctx, "s", secret.Current, secret.Patch{ContentType: new("stale"), If: old})
	wantErr(t, "Update by a state before "+since, err, secret.Conflict)
	compareAs(t, "after writes by an earlier state", before, describe(ctx, t, b, "s"))
}

// testMarkedGone: what was decided by a state makes no secret anew.
func testMarkedGone(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	m := needMarker(t, b)
	put(ctx, t, b, "s", text("canary-1"))
	_, mark := marked(ctx, t, m, "s")
	write := func(what string, kind secret.Kind) {
		t.Helper()
		d := text("canary-2")
		d.If = mark
		_, err := b.Put(ctx, "s", d)
		wantErr(t, "Put "+what, err, kind)
		_, err = m.Append(ctx, "s", mark, []secret.Draft{text("canary-2")})
		wantErr(t, "Append "+what, err, kind)
		_, err = b.Update(ctx, "s", secret.Current, secret.Patch{ContentType: new("x"), If: mark})
		wantErr(t, "Update "+what, err, secret.NotFound)
	}
	remove(ctx, t, b, b, "s")
	write("by a state of what is deleted", secret.Trashed)
	mustPurge(t, b.Purge(ctx, "s"))
	write("by a state of what is purged", secret.NotFound)
	_, err := b.Describe(ctx, "s")
	wantErr(t, "Describe of what is purged", err, secret.NotFound)
}

// testAppend: versions that are added to one state are added together, as single ones
// would be, or not at all.
func testAppend(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	m := needMarker(t, b)
	needRoom(t, b, 4)
	first := put(ctx, t, b, "s", text("canary-1"))
	kept := text("canary-3")
	kept.KeepCurrent, kept.Stages, kept.UID, kept.Created = true, []string{"a"}, secret.NewUID(), sampleTime
	last := secret.Draft{Missing: secret.Destroyed, KeepCurrent: true, TakePrevious: true}
	if losses := b.Forecast(single("s", last)); secret.Worst(losses) > secret.Trace {
		last.Value, last.Missing = secret.TextValue("canary-4"), ""
	}
	seen, mark := marked(ctx, t, m, "s")
	for what, ds := range map[string][]secret.Draft{
		"none":            {},
		"a UID there is":  {text("canary"), {Value: secret.TextValue("canary"), UID: first.UID}},
		"one UID twice":   {kept, kept},
		"one that is bad": {kept, {}},
	} {
		_, err := m.Append(ctx, "s", mark, ds)
		wantErr(t, "Append of "+what, err, secret.Invalid)
	}
	compareAs(t, "after what was refused", seen, describe(ctx, t, b, "s"))
	added, err := m.Append(ctx, "s", mark, []secret.Draft{text("canary-2"), kept, last})
	if err != nil {
		t.Fatalf("Append: %v", checkErr(t, err))
	}
	all, err := b.Export(ctx, "s")
	if err != nil {
		t.Fatalf("Export: %v", checkErr(t, err))
	}
	of := slices.Clone(all.WithoutValues().Versions)
	if len(of) != 4 || len(added.Versions) != 3 {
		t.Fatalf("%d versions stand, and %d were added", len(of), len(added.Versions))
	}
	whole := *added
	whole.Versions = append([]secret.Version{of[0]}, added.Versions...)
	compareAs(t, "Append", all.WithoutValues(), &whole)
	if all.Current != of[1].Ordinal || all.Previous != of[3].Ordinal {
		t.Errorf("current is %d and previous %d of %d to %d", all.Current, all.Previous, of[0].Ordinal, of[3].Ordinal)
	}
	if v := &all.Versions[2]; v.UID != kept.UID || !v.Created.Equal(kept.Created) || !slices.Equal(v.Stages, kept.Stages) || !v.Value.Equal(kept.Value) {
		t.Errorf("the third version is not what was added")
	}
	if all.Versions[3].Missing != last.Missing || !all.Versions[3].Value.Equal(last.Value) || !all.Versions[1].Value.Equal(secret.TextValue("canary-2")) {
		t.Errorf("the second and the last are not what was added")
	}
	wantUnmoved(ctx, t, b, mark, "an append")
}

// testAppenders: of many who add what the secret lacks, each version is there once.
func testAppenders(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	m := needMarker(t, b)
	needRoom(t, b, 4)
	put(ctx, t, b, "s", text("canary"))
	var ds []secret.Draft
	for range 3 {
		d := text("canary-new")
		d.UID = secret.NewUID()
		ds = append(ds, d)
	}
	decideTogether(ctx, t, m, min(h.Writers, 8), func(_ int, s *secret.Secret, mark secret.Mark) error {
		if s.Find(secret.ByUID(ds[0].UID)) != nil {
			return nil
		}
		_, err := m.Append(ctx, "s", mark, ds)
		return err
	})
	if s := describe(ctx, t, b, "s"); len(s.Versions) != 1+len(ds) {
		t.Errorf("there are %d versions, want %d", len(s.Versions), 1+len(ds))
	}
}

// testDeciders: of many who each add something to what stands, nobody undoes
// another.
func testDeciders(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	m := needMarker(t, b)
	put(ctx, t, b, "s", text("canary"))
	writers := min(h.Writers, 8)
	want := map[string]string{}
	for i := range writers {
		want[fmt.Sprint("tag", i)] = "x"
	}
	decideTogether(ctx, t, m, writers, func(i int, s *secret.Secret, mark secret.Mark) error {
		tags := maps.Clone(s.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		tags[fmt.Sprint("tag", i)] = "x"
		_, err := b.Update(ctx, "s", secret.Current, secret.Patch{SecretTags: &tags, If: mark})
		return err
	})
	if s := describe(ctx, t, b, "s"); !maps.Equal(s.Tags, want) {
		t.Errorf("%d tags of %d stand", len(s.Tags), len(want))
	}
}

// decideTogether has many write by the state that they have seen, and look again
// where it was another one. At first all have seen the same.
func decideTogether(ctx context.Context, t *testing.T, m backends.Marker, writers int, write func(i int, s *secret.Secret, mark secret.Mark) error) {
	t.Helper()
	var first sync.WaitGroup
	first.Add(writers)
	together(writers, func(i int) {
		for n, err := 0, error(secret.Conflict); errors.Is(err, secret.Conflict); n++ {
			var s *secret.Secret
			var mark secret.Mark
			s, mark, err = m.DescribeMarked(ctx, "s")
			if n == 0 {
				first.Done()
				first.Wait()
			}
			if err == nil {
				err = write(i, s, mark)
			}
			if err != nil && !errors.Is(err, secret.Conflict) {
				t.Errorf("writer %d: %v", i, checkErr(t, err))
			}
		}
	})
}
