package azurekv

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// wantRoles asks every way to read.
func wantRoles(t *testing.T, what string, b *Backend, current, previous secret.Ordinal) {
	t.Helper()
	got, err := b.Get(t.Context(), "s", secret.Current)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	whole := mustExport(t, b)
	backendtest.Compare(t, whole.Only(current), got, nil)
	p, err := b.List(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 1 || p.Secrets[0].Find(secret.Current) == nil {
		t.Fatalf("%s: %d secrets are listed, or one without its current version: %v", what, len(p.Secrets), err)
	}
	for how, s := range map[string]*secret.Secret{"Get": got, "Export": whole, "List": p.Secrets[0]} {
		if s.Current != current || s.Previous != previous {
			t.Errorf("%s, %s: current %d, previous %d; want %d, %d", what, how, s.Current, s.Previous, current, previous)
		}
	}
}

// three returns a store with versions 1 to 3 of s, over a product whose clock
// the test moves.
func three(t *testing.T, change ...func(*Config)) (b *Backend, wait func(time.Duration)) {
	t.Helper()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	b = open(t, gatewaytest.New(t, gatewaytest.Options{Now: now}), change...)
	for i := range 3 {
		put(t, b, secret.Draft{Value: secret.TextValue(fmt.Sprint("canary-", i+1))})
	}
	return b, func(d time.Duration) { ahead.Add(int64(d)) }
}

var makeCurrent = secret.Patch{MakeCurrent: true}

// TestNativeAfterMovedRole: native tools see the newest version as current
// whatever was moved; what they write becomes current, and who was so to the
// gateway previous.
func TestNativeAfterMovedRole(t *testing.T) {
	t.Parallel()
	b, wait := three(t)
	mustUpdate(t, b, secret.ByOrdinal(1), makeCurrent)
	wantRoles(t, "moved", b, 1, 3)
	seen, value, err := b.client.get(t.Context(), "s", "s", "")
	if err != nil || value != "canary-3" || seen.tag.Ordinal != 3 {
		t.Errorf("native tools see another version than the newest: %v", err)
	}
	wait(2 * time.Second)
	it := setNative(t, b, "s", secret.Version{})
	wantRoles(t, "a native version", b, 4, 1)
	wait(2 * time.Second)
	put(t, b, secret.Draft{Value: secret.TextValue("x"), KeepCurrent: true})
	wantRoles(t, "a native version kept", b, 4, 1)
	if h, err := b.load(t.Context(), "s", "s", nothing); err != nil || h.find(4).id != it.id {
		t.Errorf("version 4 is not the native one: %v", err)
	}
	wait(2 * skew)
	seen, _, err = b.client.get(t.Context(), "s", "s", "")
	if err != nil {
		t.Fatal(err)
	}
	copied := secret.Version{Tags: map[string]string{sidecarTag: sidecar.JSON(seen.tag)}}
	setNative(t, b, "s", copied) // a tool that copies the tags of the version before
	wantRoles(t, "a copy of the tags", b, 6, 4)
}

// TestRoleOnNative: a native version that is the newest takes our tag when the
// role moves away from it, and keeps its identity.
func TestRoleOnNative(t *testing.T) {
	t.Parallel()
	b, wait := three(t)
	wait(2 * time.Second)
	setNative(t, b, "s", secret.Version{Tags: someTags(2)})
	before := mustExport(t, b)
	mustUpdate(t, b, secret.ByOrdinal(2), makeCurrent)
	wantRoles(t, "moved", b, 2, 4)
	after := mustExport(t, b)
	for i := range before.Versions {
		if w, g := &before.Versions[i], &after.Versions[i]; w.UID != g.UID || !w.Created.Equal(g.Created) || len(w.Tags) != len(g.Tags) {
			t.Errorf("version %d is another", w.Ordinal)
		}
	}
	mustUpdate(t, b, secret.ByOrdinal(4), makeCurrent)
	wantRoles(t, "moved back", b, 4, 2)
}

// TestDisabledNewest: the product refuses a version-less read of it, and says
// nothing against an older version that is current.
func TestDisabledNewest(t *testing.T) {
	t.Parallel()
	b, _ := three(t)
	mustUpdate(t, b, secret.Current, secret.Patch{Disabled: new(true)})
	got, err := b.Get(t.Context(), "s", secret.Current)
	if err != nil || got.Current != 3 || got.Versions[0].Missing != secret.Unreadable {
		t.Errorf("a disabled version does not stay current: %v", err)
	}
	mustUpdate(t, b, secret.ByOrdinal(2), makeCurrent)
	wantRoles(t, "an older one current", b, 2, 3)
	put(t, b, secret.Draft{Value: secret.TextValue("x"), Disabled: true, KeepCurrent: true, TakePrevious: true})
	wantRoles(t, "a disabled one pending", b, 2, 4)
	mustUpdate(t, b, secret.ByOrdinal(2), secret.Patch{Disabled: new(true)})
	if got, err = b.Get(t.Context(), "s", secret.Current); err != nil || got.Versions[0].Ordinal != 2 || got.Versions[0].Missing != secret.Unreadable {
		t.Errorf("a disabled older version does not stay current: %v", err)
	}
}

// TestMovedRoleCosts: a Get of current is one call again once a new version
// took the role.
func TestMovedRoleCosts(t *testing.T) {
	t.Parallel()
	b, _ := three(t)
	ctx, n := backends.WithCallCount(t.Context())
	for _, c := range []struct {
		what string
		want int64
		do   func() error
	}{
		{"Update that moves the role", 3, func() error { _, err := b.Update(ctx, "s", secret.ByOrdinal(1), makeCurrent); return err }},
		{"Get of current", 3, func() error { _, err := b.Get(ctx, "s", secret.Current); return err }},
		{"List", 2, func() error { _, err := b.List(ctx, secret.Query{}); return err }},
		{"Describe", 1, func() error { _, err := b.Describe(ctx, "s"); return err }},
		{"Put", 2, func() error { _, err := b.Put(ctx, "s", secret.Draft{Value: secret.TextValue("4")}); return err }},
		{"Get of the new current", 1, func() error { _, err := b.Get(ctx, "s", secret.Current); return err }},
		{"List after it", 1, func() error { _, err := b.List(ctx, secret.Query{}); return err }},
	} {
		before := n()
		if err := c.do(); err != nil || n()-before != c.want {
			t.Errorf("%s: %d calls, want %d: %v", c.what, n()-before, c.want, err)
		}
	}
}

// TestTornRole: a move of the role that stops before any of its writes leaves
// one current version, and can be made again.
func TestTornRole(t *testing.T) {
	t.Parallel()
	for what, p := range map[string]secret.Patch{
		"alone": makeCurrent, "with a label": {MakeCurrent: true, AddStages: []string{"a"}},
		"with a label less": {MakeCurrent: true, DropStages: []string{"b"}},
	} {
		for n := range int64(2) {
			var left atomic.Int64
			left.Store(99)
			b, _ := three(t, func(c *Config) {
				c.wrap = func(next http.RoundTripper) http.RoundTripper { return failing{next, &left} }
			})
			mustUpdate(t, b, secret.ByOrdinal(1), secret.Patch{AddStages: []string{"b"}})
			before := mustExport(t, b)
			left.Store(n)
			_, err := b.Update(t.Context(), "s", secret.ByOrdinal(1), p)
			if n == 0 {
				wantKind(t, what+", nothing written", err, secret.Unavailable)
				backendtest.Compare(t, before, mustExport(t, b), nil)
			} else {
				wantKind(t, what+", part written", err, secret.Partial)
			}
			torn := mustExport(t, b)
			switch moved := torn.Current == 1 && torn.Previous == 3; {
			case !moved && (torn.Current != 3 || torn.Previous != 2):
				t.Errorf("%s, %d writes: current %d, previous %d", what, n, torn.Current, torn.Previous)
			default:
				wantRoles(t, what+", torn", b, torn.Current, torn.Previous)
			}
			left.Store(99)
			mustUpdate(t, b, secret.ByOrdinal(1), p)
			wantRoles(t, what+", again", b, 1, 3)
		}
	}
}

// TestTornKeepingPut: a Put that keeps current and whose answer is lost leaves
// current where it was, whether it landed or not.
func TestTornKeepingPut(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		br := &breaker{before: before}
		b, _ := three(t, func(c *Config) {
			c.wrap = func(next http.RoundTripper) http.RoundTripper { br.next = next; return br }
		})
		mustUpdate(t, b, secret.ByOrdinal(2), makeCurrent)
		br.at.Store(1)
		d := secret.Draft{Value: secret.TextValue("x"), KeepCurrent: true, TakePrevious: true}
		_, err := b.Put(t.Context(), "s", d)
		if before {
			wantKind(t, "not sent", err, secret.Unavailable)
			wantRoles(t, "not sent", b, 2, 3)
		} else {
			wantKind(t, "no answer", err, secret.Unknown)
			wantRoles(t, "no answer", b, 2, 4)
		}
	}
}

// TestNoRoomForRole: where the tag has no room for one more member, the role
// stays where it is and nothing else changes either.
func TestNoRoomForRole(t *testing.T) {
	t.Parallel()
	b, _ := three(t)
	room := 0
	for n := maxSidecar; n > 0 && room == 0; n-- { // what fills the tag to the last character
		if _, err := b.Update(t.Context(), "s", secret.Current, secret.Patch{Description: new(strings.Repeat("d", n))}); err == nil {
			room = n
		}
	}
	before := mustExport(t, b)
	b.now = func() time.Time { return time.Now().Add(time.Second) } // a time of its own needs a member
	_, err := b.Update(t.Context(), "s", secret.ByOrdinal(1), makeCurrent)
	wantKind(t, "a role", err, secret.Lossy)
	if !strings.HasPrefix(secret.DetailOf(err), loss.Current+": ") {
		t.Errorf("the refusal says %q", secret.DetailOf(err))
	}
	h, err := b.load(t.Context(), "s", "s", nothing)
	if err != nil {
		t.Fatal(err)
	}
	d := secret.Draft{Value: secret.TextValue("x"), OfSecret: &secret.Attributes{}}
	for fits := true; fits; {
		d.OfSecret.Description += "d"
		_, _, err = b.draftBody(h, "s", &d)
		fits = err == nil
	}
	d.OfSecret.Description += "dddd" // for another moment, which may be written shorter
	d.KeepCurrent = true
	_, err = b.Put(t.Context(), "s", d)
	wantKind(t, "a draft", err, secret.Invalid)
	d.OfSecret, d.Tags = nil, someTags(maxTags)
	_, err = b.Put(t.Context(), "s", d)
	wantKind(t, "a draft of 15 tags", err, secret.Invalid)
	backendtest.Compare(t, before, mustExport(t, b), nil)
	wantRoles(t, "refused", b, 3, 2)
	mustUpdate(t, b, secret.Current, secret.Patch{Description: new(strings.Repeat("d", room-40))})
	mustUpdate(t, b, secret.ByOrdinal(1), makeCurrent)
	wantRoles(t, "with room", b, 1, 3)
}

// TestRoleInTrash: the vault shows the newest version, and its tag who is
// current.
func TestRoleInTrash(t *testing.T) {
	t.Parallel()
	b, _ := three(t)
	mustUpdate(t, b, secret.ByOrdinal(1), makeCurrent)
	if _, err := b.Delete(t.Context(), "s", time.Time{}); err != nil {
		t.Fatal(err)
	}
	s, err := b.DescribeTrash(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.ListTrash(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 1 {
		t.Fatalf("%d secrets are listed: %v", len(p.Secrets), err)
	}
	for _, s := range []*secret.Secret{s, p.Secrets[0]} {
		if s.Current != 1 || s.Previous != 3 || s.Newest().Ordinal != 3 {
			t.Errorf("current %d, previous %d, version %d is shown", s.Current, s.Previous, s.Newest().Ordinal)
		}
	}
	if _, err := b.Recover(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	wantRoles(t, "recovered", b, 1, 3)
}

// TestNobodyCurrent: Key Vault's own tools always have a current version, so a
// document without one is not taken in silence.
func TestNobodyCurrent(t *testing.T) {
	t.Parallel()
	b := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	s := backendtest.Sample("s")
	s.Versions, s.Current, s.Previous = s.Versions[:2], 0, 0
	s.Description, s.Tags, s.Extra = "", nil, nil
	foretold := false
	for _, l := range b.Forecast(s) {
		foretold = foretold || (l.What == loss.Current && l.Grade == secret.Meaning)
	}
	if !foretold {
		t.Error("it is not foretold")
	}
	if _, err := b.Import(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	put(t, b, secret.Draft{Value: secret.TextValue("x"), KeepCurrent: true})
	if got := mustExport(t, b); got.Current != 0 || len(got.Versions) != 3 {
		t.Errorf("current is %d, of %d versions", got.Current, len(got.Versions))
	}
	mustUpdate(t, b, secret.ByOrdinal(1), makeCurrent)
	wantRoles(t, "made current", b, 1, 0)
}

// TestLabelOnNative: a label gives a native version our tag, which says nothing
// of the secret: what the version before it says stays.
func TestLabelOnNative(t *testing.T) {
	t.Parallel()
	b, wait := three(t)
	mustUpdate(t, b, secret.Current, secret.Patch{Description: new("kept"), SecretTags: &map[string]string{"a": "b"}})
	wait(2 * time.Second)
	setNative(t, b, "s", secret.Version{})
	before := mustExport(t, b)
	mustUpdate(t, b, secret.Current, secret.Patch{AddStages: []string{"blue"}})
	wantRoles(t, "labelled", b, 4, 3)
	after := mustExport(t, b)
	if after.Description != "kept" || after.Tags["a"] != "b" || !after.Created.Equal(before.Created) || len(after.Versions[3].Stages) != 1 {
		t.Errorf("description %q, %d tags, created %v, %d labels", after.Description, len(after.Tags), after.Created, len(after.Versions[3].Stages))
	}
}
