package backendtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

func testNotFound(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	put(ctx, t, b, "there", text(canary+"x"))
	elsewhere := put(ctx, t, b, "elsewhere", text(canary+"y"))
	for _, name := range []secret.Name{"absent", "ther", "there2", "There", "there/", "there/x"} {
		_, err := b.Get(ctx, name, secret.Current)
		wantErr(t, "Get of an absent name", err, secret.NotFound)
		_, err = b.Describe(ctx, name)
		wantErr(t, "Describe of an absent name", err, secret.NotFound)
		_, err = b.Export(ctx, name)
		wantErr(t, "Export of an absent name", err, secret.NotFound)
	}
	for what, sel := range map[string]secret.Selector{
		"a later ordinal":                secret.ByOrdinal(2),
		"a huge ordinal":                 secret.ByOrdinal(1 << 62),
		"a negative ordinal":             secret.ByOrdinal(-1),
		"an unknown UID":                 secret.ByUID(secret.NewUID()),
		"the UID of a version elsewhere": secret.ByUID(elsewhere.UID),
	} {
		_, err := b.Get(ctx, "there", sel)
		wantErr(t, "Get of "+what, err, secret.NotFound)
	}
}

// testDescribe: Describe and List hold no value; Export is Describe and values.
func testDescribe(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	mustImport(ctx, t, b, Sample("s"), "")
	put(ctx, t, b, "s", text(canary+"more"))
	d, e := describe(ctx, t, b, "s"), export(ctx, t, b, "s")
	if d.Size() != 0 || slices.ContainsFunc(d.Versions, func(v secret.Version) bool { return !v.Value.IsNone() }) {
		t.Error("Describe returns values")
	}
	w, g := e.WithoutValues(), d.Clone()
	for i := range w.Versions { // only a call that returns values says why one is not there
		if w.Versions[i].Missing == secret.Unreadable {
			w.Versions[i].Missing = ""
		}
	}
	for i := range g.Versions {
		if g.Versions[i].Missing == secret.Unreadable {
			g.Versions[i].Missing = ""
		}
	}
	Compare(t, w, g, nil)
	p, err := b.List(ctx, secret.Query{})
	if err != nil || len(p.Secrets) != 1 {
		t.Fatalf("List: %d secrets, %v", len(p.Secrets), err)
	}
	s := p.Secrets[0]
	if s.Size() != 0 {
		t.Error("List returns values")
	}
	cur := s.Find(secret.Current)
	if cur == nil {
		t.Fatal("List leaves out the current version")
	}
	if n := len(s.Versions); n != 1 && n != len(e.Versions) {
		t.Errorf("List shows %d of %d versions: neither the current one alone nor all", n, len(e.Versions))
	}
	Compare(t, d.Only(d.Current), s.Only(s.Current), nil)
}

func testPaging(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	if got := names(ctx, t, b, 0); len(got) != 0 {
		t.Fatalf("a fresh store holds %d secrets", len(got))
	}
	want := []secret.Name{"a", "a-b", "a/b", "a/c/d", "a0", "b", "b/a", "c", "ü"}
	for _, name := range slices.Backward(want) {
		put(ctx, t, b, name, text("x"))
	}
	slices.Sort(want)
	for _, limit := range []int{0, 1, 2, 3, 4, 8, 9, 10, 1000} {
		if got := names(ctx, t, b, limit); !slices.Equal(got, want) {
			t.Errorf("by pages of %d: %q, want %q", limit, got, want)
		}
	}
	for _, after := range []secret.Name{"A", "a", "a-a", "a/", "a/b", "a/b/c", "a/zzz", "b", "b/", "c", "zz", "üü", secret.Name("a\U0010ffff")} {
		i, found := slices.BinarySearch(want, after)
		if found {
			i++
		}
		p, err := b.List(ctx, secret.Query{After: after, Limit: 1})
		if err != nil {
			t.Fatalf("List after %q: %v", after, checkErr(t, err))
		}
		if len(p.Secrets) == 1 && (i == len(want) || p.Secrets[0].Name != want[i]) {
			t.Errorf("after %q comes %q", after, p.Secrets[0].Name)
		}
		if len(p.Secrets) == 0 && p.Next == "" && i < len(want) {
			t.Errorf("after %q comes nothing, want %q", after, want[i])
		}
	}
}

// testPagingWhileWriting: what is there all the time is listed exactly once,
// though names appear around the border between two pages.
func testPagingWhileWriting(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	var always []secret.Name
	for i := range 6 {
		always = append(always, secret.Name(fmt.Sprintf("k%d0", i)))
		put(ctx, t, b, always[i], text("x"))
	}
	seen := map[secret.Name]int{}
	for q, page := (secret.Query{Limit: 2}), 0; ; page = min(page+1, 6) {
		p, err := b.List(ctx, q)
		if err != nil || p.Next != "" && p.Next <= q.After {
			t.Fatalf("List after %q: next is %q, %v", q.After, p.Next, err)
		}
		for _, s := range p.Secrets {
			seen[s.Name]++
		}
		if p.Next == "" {
			break
		}
		q.After = p.Next
		if page == 6 {
			continue // enough is new
		}
		for _, suffix := range []secret.Name{"!", "0"} { // behind the border
			put(ctx, t, b, p.Next+suffix, text("new"))
		}
		put(ctx, t, b, secret.Name(fmt.Sprintf("j%d", page)), text("new")) // before it
	}
	for _, name := range always {
		if seen[name] != 1 {
			t.Errorf("%q was listed %d times", name, seen[name])
		}
	}
}

// testAliasing: what the store returned, or was given, is not what it holds.
func testAliasing(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	src := Sample("s")
	spoil(mustImport(ctx, t, b, src, "").Secret)
	want := export(ctx, t, b, "s")
	spoil(src)
	d := secret.Draft{
		Value: secret.TextValue("x"), Tags: map[string]string{"a": "b"}, Stages: []string{"one", "two"},
		OfSecret: &secret.Attributes{Tags: map[string]string{"a": "b"}, Extra: secret.Extra{"a": []byte(`1`)}},
	}
	spoilt, _ := tryPut(ctx, t, b, "t", d)
	if spoilt == nil {
		d = text("x")
		spoilt = putSecret(ctx, t, b, "t", d)
	}
	wantT := export(ctx, t, b, "t")
	spoil(spoilt)
	spoilDraft(&d)
	spoil(getSecret(ctx, t, b, "s", secret.Current))
	spoil(describe(ctx, t, b, "s"))
	spoil(export(ctx, t, b, "s"))
	p, err := b.List(ctx, secret.Query{})
	if err != nil {
		t.Fatal(checkErr(t, err))
	}
	for _, s := range p.Secrets {
		spoil(s)
	}
	Compare(t, want, export(ctx, t, b, "s"), nil)
	Compare(t, wantT, export(ctx, t, b, "t"), nil)
}

func spoil(s *secret.Secret) {
	s.Name, s.Current = "spoilt", 99
	spoilMap(s.Tags)
	spoilMap(s.Extra)
	for i := range s.Versions {
		v := &s.Versions[i]
		spoilMap(v.Tags)
		spoilMap(v.Extra)
		for j := range v.Stages {
			v.Stages[j] = "spoilt"
		}
		v.Ordinal, v.Value, v.ContentType = 99, secret.Value{}, "spoilt"
	}
}

func spoilDraft(d *secret.Draft) {
	spoilMap(d.Tags)
	for i := range d.Stages {
		d.Stages[i] = "spoilt"
	}
	if d.OfSecret != nil {
		spoilMap(d.OfSecret.Tags)
		spoilMap(d.OfSecret.Extra)
	}
}

func spoilMap[V any](m map[string]V) {
	var zero V
	if m != nil {
		m["spoilt"] = zero
	}
}
