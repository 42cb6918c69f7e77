package backendtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

func testVersions(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	const n = 12
	values := map[secret.Ordinal]secret.Value{}
	var last *secret.Version
	for i := range n {
		d := text(fmt.Sprint(canary, i))
		v := put(ctx, t, b, "s", d)
		if i == 0 && v.Ordinal != 1 {
			t.Errorf("the first version is number %d", v.Ordinal)
		}
		if last != nil && v.Ordinal <= last.Ordinal {
			t.Errorf("version %d follows version %d", v.Ordinal, last.Ordinal)
		}
		if last != nil && v.Created.Before(last.Created) {
			t.Errorf("version %d was created before version %d", v.Ordinal, last.Ordinal)
		}
		if v.Created.IsZero() || v.Updated.IsZero() {
			t.Errorf("version %d has no time", v.Ordinal)
		}
		values[v.Ordinal], last = d.Value, v
	}
	s := export(ctx, t, b, "s")
	if len(s.Versions) != kept(b, n) || !slices.IsSorted(ordinals(s)) || s.Newest().Ordinal != last.Ordinal {
		t.Fatalf("the versions are %d", ordinals(s))
	}
	for i := range s.Versions {
		v := &s.Versions[i]
		if !v.Value.Equal(values[v.Ordinal]) {
			t.Errorf("Export: version %d holds another value", v.Ordinal)
		}
		if !get(ctx, t, b, "s", secret.ByOrdinal(v.Ordinal)).Value.Equal(values[v.Ordinal]) {
			t.Errorf("Get: version %d holds another value", v.Ordinal)
		}
	}
	if s.Created.After(s.Versions[0].Created) || s.Updated.Before(last.Created) {
		t.Errorf("the secret says %v to %v, its versions %v to %v", s.Created, s.Updated, s.Versions[0].Created, last.Created)
	}
}

// testIdentity: a UID is unique, and the same wherever it is read.
func testIdentity(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	own := secret.DeriveUID("test", "own", "1", sampleTime)
	seen := map[secret.UID]bool{}
	for _, name := range []secret.Name{"s", "t"} {
		for range 4 {
			checkIdentity(ctx, t, b, name, put(ctx, t, b, name, text("same")), seen)
		}
	}
	d := secret.Draft{Value: secret.TextValue("x"), UID: own, Created: sampleTime, Updated: sampleTime.Add(time.Hour)}
	want := single("u", d)
	want.Versions[0].UID = own
	if losses := b.Forecast(want); secret.Worst(losses) >= secret.Meaning {
		t.Skipf("the store cannot keep an identity: %v", losses)
	}
	v := put(ctx, t, b, "u", d)
	checkIdentity(ctx, t, b, "u", v, seen)
	if v.UID != own {
		t.Errorf("the UID is %v, want the one of the draft", v.UID)
	}
	if !v.Created.Equal(d.Created) || !v.Updated.Equal(d.Updated) {
		t.Errorf("created %v, updated %v; want the draft's %v, %v", v.Created, v.Updated, d.Created, d.Updated)
	}
	again := put(ctx, t, b, "u", d)
	if again.UID == own {
		t.Error("two versions of one secret have one UID")
	}
	checkIdentity(ctx, t, b, "u", again, seen)
}

func checkIdentity(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, v *secret.Version, seen map[secret.UID]bool) {
	t.Helper()
	if v.UID.IsZero() || seen[v.UID] {
		t.Errorf("%q version %d: the UID %v is not its own", name, v.Ordinal, v.UID)
	}
	seen[v.UID] = true
	want := []any{v.Ordinal, v.UID, v.Created.UnixNano(), v.Updated.UnixNano()}
	for what, got := range map[string]*secret.Version{
		"Get by UID":     get(ctx, t, b, name, secret.ByUID(v.UID)),
		"Get by ordinal": get(ctx, t, b, name, secret.ByOrdinal(v.Ordinal)),
		"Describe":       describe(ctx, t, b, name).Find(secret.ByOrdinal(v.Ordinal)),
		"Export":         export(ctx, t, b, name).Find(secret.ByOrdinal(v.Ordinal)),
	} {
		if got == nil {
			t.Errorf("%s: %q has no version %d", what, name, v.Ordinal)
			continue
		}
		if g := []any{got.Ordinal, got.UID, got.Created.UnixNano(), got.Updated.UnixNano()}; !slices.Equal(g, want) {
			t.Errorf("%s: %q version %d is %v, Put said %v", what, name, v.Ordinal, g, want)
		}
	}
}

func testStages(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	for _, stages := range [][]string{{"b", "a", "c"}, {"b"}, nil, {"c", "a"}} {
		d := text("x")
		d.Stages = stages
		if got, _ := tryPut(ctx, t, b, "s", d); got == nil || foretold(b.Forecast(single("s", d)), 1, loss.Stages) {
			t.Skip("the store foretells that it holds no stages")
		}
	}
	want := [][]string{nil, {"b"}, nil, {"a", "c"}}
	for what, s := range map[string]*secret.Secret{"Describe": describe(ctx, t, b, "s"), "Export": export(ctx, t, b, "s")} {
		if len(s.Versions) != kept(b, len(want)) {
			t.Fatalf("%s: the versions are %d", what, ordinals(s))
		}
		for i, stages := range want[len(want)-len(s.Versions):] {
			if got := s.Versions[i].Stages; !slices.Equal(got, stages) {
				t.Errorf("%s: version %d holds the stages %q, want %q", what, s.Versions[i].Ordinal, got, stages)
			}
		}
	}
	if !room(b, len(want)) {
		return
	}
	if got := get(ctx, t, b, "s", secret.ByOrdinal(1)).Stages; len(got) != 0 {
		t.Errorf("Get: version 1 still holds the stages %q", got)
	}
}

func testOnlyIfAbsent(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	d := text(canary + "first")
	d.OnlyIfAbsent = true
	put(ctx, t, b, "s", d)
	before := export(ctx, t, b, "s")
	_, err := b.Put(ctx, "s", d)
	wantErr(t, "Put onto a taken name", err, secret.AlreadyExists)
	Compare(t, before, export(ctx, t, b, "s"), nil)
}
