package azurekv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

var epoch = time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)

// native is a version that the gateway did not write, so many seconds after
// the epoch.
func native(id string, second int) item {
	t := epoch.Add(time.Duration(second) * time.Second)
	return item{id: id, name: "Spelled", created: t, updated: t}
}

// tagged is one that it did.
func tagged(id string, second int, o secret.Ordinal, change ...func(*tagSidecar)) item {
	it := native(id, second)
	it.tag = &tagSidecar{Version: sidecar.Version{UID: sidecar.UID(secret.DeriveUID("t", "", id, epoch)), Ordinal: o, Created: at(it.created.Add(time.Duration(o)))}}
	for _, f := range change {
		f(it.tag)
	}
	return it
}

func imported(last bool) func(*tagSidecar) {
	return func(r *tagSidecar) {
		if r.Import = "marker"; last {
			r.Import, r.Last = "", "marker"
		}
	}
}

func rolesOf(current, previous secret.Ordinal) func(*tagSidecar) {
	return func(r *tagSidecar) {
		r.Secret = &sidecar.Secret{Roles: &sidecar.Roles{Current: current, Previous: previous}}
	}
}

func highest(o secret.Ordinal) func(*tagSidecar) {
	return func(r *tagSidecar) { r.Secret = &sidecar.Secret{Roles: &sidecar.Roles{Current: r.Ordinal}, Highest: o} }
}

func sameUID(as string) func(*tagSidecar) {
	return func(r *tagSidecar) { r.UID = sidecar.UID(secret.DeriveUID("t", "", as, epoch)) }
}

func TestHistory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		items   []item
		current string // as a read says; "": nobody asked
		want    string // id:ordinal by ordinal, then current and previous
	}{
		{"native only", []item{native("c", 1), native("a", 3), native("b", 2)}, "", "c:1 b:2 a:3 current 3 previous 2"},
		{"native, one second", []item{native("b", 1), native("a", 1)}, "a", "b:1 a:2 current 2 previous 1"},
		{"native, one second, no longer the newest", []item{native("b", 1), native("a", 1), native("c", 2)}, "", "a:1 b:2 c:3 current 3 previous 2"},
		{"three natives of one second", []item{native("f", 1), native("5", 1), native("a", 1)}, "5", "a:1 f:2 5:3 current 3 previous 2"},
		{"natives of one second after ours", []item{tagged("z", 0, 1), native("f", 1), native("5", 1), native("a", 1)}, "a", "z:1 5:2 f:3 a:4 current 4 previous 3"},
		{"native in a second of ours", []item{tagged("z", 1, 5), native("m", 1)}, "m", "z:5 m:6 current 6 previous 5"},
		{"ours only", []item{tagged("z", 1, 1), tagged("y", 1, 2), tagged("x", 1, 3)}, "", "z:1 y:2 x:3 current 3 previous 2"},
		{"native after ours", []item{tagged("z", 1, 1), native("a", 2)}, "", "z:1 a:2 current 2 previous 1"},
		{"ours after native", []item{native("a", 1), tagged("z", 2, 2)}, "", "a:1 z:2 current 2 previous 1"},
		{"native between ours of one second", []item{tagged("z", 1, 1), native("m", 1), tagged("y", 1, 3)}, "y", "z:1 m:2 y:3 current 3 previous 2"},
		{"import, current in the middle", []item{
			tagged("a", 1, 1, imported(false)), tagged("b", 2, 3, imported(false)), tagged("c", 3, 2, imported(true)),
		}, "", "a:1 c:2 b:3 current 2 previous 3"},
		{"import in one second", []item{
			tagged("a", 1, 1, imported(false)), tagged("b", 1, 2, imported(true)), tagged("c", 1, 9, imported(false)),
		}, "", "a:1 b:2 c:9 current 2 previous 9"},
		{"native in the second of the import", []item{tagged("b", 1, 4, imported(true)), tagged("c", 1, 9, imported(false)), native("n", 1)}, "n", "b:4 c:9 n:10 current 10 previous 4"},
		{"ours after an import whose newest version is gone", []item{
			tagged("a", 1, 1, imported(true), highest(7)),
		}, "", "a:1 current 1 previous 0"},
		{"two of one number", []item{tagged("a", 1, 1), tagged("b", 5, 2), tagged("c", 3, 2)}, "", "a:1 b:2 c:3 current 2 previous 3"},
		{"itself, though another took its number", []item{
			tagged("a", 1, 1), tagged("b", 2, 2, rolesOf(2, 1)), tagged("c", 2, 2, rolesOf(2, 1)),
		}, "", "a:1 c:2 b:3 current 3 previous 1"},
		{"itself as previous, though another took its number", []item{
			tagged("a", 1, 1), tagged("b", 2, 2, rolesOf(1, 2)), tagged("c", 2, 2, rolesOf(1, 2)),
		}, "", "a:1 c:2 b:3 current 1 previous 3"},
		{"a native copy of the tags", []item{tagged("a", 1, 1), tagged("b", 900, 1, sameUID("a"))}, "", "a:1 b:2 current 2 previous 1"},
		{"a lost write that landed late", []item{
			tagged("a", 1, 1, imported(false)), tagged("b", 3, 2, imported(true)), tagged("c", 9, 1, imported(false), sameUID("a")),
		}, "", "a:1 b:2 current 2 previous 1"},
		{"a copy of imported tags, later", []item{
			tagged("b", 3, 2, imported(true)), tagged("c", 900, 2, imported(true), sameUID("b")),
		}, "", "b:2 c:3 current 3 previous 2"},
		{"an older one is current", []item{tagged("a", 1, 1), tagged("b", 2, 2), tagged("c", 3, 3, rolesOf(1, 3))}, "", "a:1 b:2 c:3 current 1 previous 3"},
		{"an older one was", []item{tagged("a", 1, 1), tagged("b", 2, 2, rolesOf(1, 2)), tagged("c", 3, 3, rolesOf(3, 1))}, "", "a:1 b:2 c:3 current 3 previous 1"},
		{"native after a moved role", []item{tagged("a", 1, 1), tagged("b", 2, 2, rolesOf(1, 2)), native("n", 3)}, "", "a:1 b:2 n:3 current 3 previous 1"},
		{"natives after a moved role", []item{tagged("a", 1, 1), tagged("b", 2, 2, rolesOf(1, 2)), native("n", 3), native("o", 4)}, "", "a:1 b:2 n:3 o:4 current 4 previous 3"},
		{"a native is current", []item{native("n", 1), tagged("b", 2, 2, rolesOf(1, 2))}, "", "n:1 b:2 current 1 previous 2"},
		{"whom the tag names is not there", []item{tagged("a", 1, 1), tagged("b", 2, 2, rolesOf(7, 1))}, "", "a:1 b:2 current 2 previous 1"},
		{"native after nobody", []item{
			tagged("a", 1, 1, rolesOf(0, 0)), native("n", 2),
		}, "", "a:1 n:2 current 2 previous 0"},
		{"nobody is current", []item{tagged("a", 1, 1, rolesOf(0, 0))}, "", "a:1 current 0 previous 0"},
	} {
		for range 5 { // the product's order means nothing
			rand.Shuffle(len(c.items), func(i, j int) { c.items[i], c.items[j] = c.items[j], c.items[i] })
			h := newStored(origin{"s", "v"}, "n", c.items, c.current)
			if got := said(h); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	}
}

func said(h *stored) string {
	s := ""
	for i := range h.entries {
		s += fmt.Sprintf("%s:%d ", h.entries[i].id, h.entries[i].ordinal)
	}
	return s + fmt.Sprintf("current %d previous %d", h.Current, h.Previous)
}

// TestOrdinalsAreStable: whoever writes next, natively or through a gateway,
// no version that was seen changes its ordinal or UID.
func TestOrdinalsAreStable(t *testing.T) {
	t.Parallel()
	p := origin{"s", "v"}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var items []item
		second := 0
		seen := map[string]secret.UID{}
		number := map[string]secret.Ordinal{}
		for i := range 12 {
			id := fmt.Sprintf("%04d", r.IntN(10000))
			if seen[id] != (secret.UID{}) {
				continue
			}
			next := secret.Ordinal(1)
			var prev secret.Ordinal
			if len(items) > 0 {
				h := newStored(p, "n", items, items[len(items)-1].id)
				next, prev = h.highest+1, h.Current
			}
			if r.IntN(3) == 0 { // natives of one second are the one thing undecidable
				second++
				items = append(items, native(id, second))
				second++
			} else {
				second += r.IntN(2)
				items = append(items, tagged(id, second, next, rolesOf(next, prev)))
			}
			h := newStored(p, "n", items, id)
			for k := range h.entries {
				e := &h.entries[k]
				if o := number[e.id]; o != 0 && (o != e.ordinal || seen[e.id] != e.uid) {
					t.Fatalf("seed %d, write %d: version %s was %d and is %d", seed, i, e.id, o, e.ordinal)
				}
				number[e.id], seen[e.id] = e.ordinal, e.uid
			}
			if number[id] != next || h.Current != next || h.Previous != prev {
				t.Fatalf("seed %d, write %d: it is %d, want %d; current %d, previous %d", seed, i, number[id], next, h.Current, h.Previous)
			}
		}
	}
}

// TestTouched: where native tools changed a version, they are believed.
func TestTouched(t *testing.T) {
	t.Parallel()
	exact := epoch.Add(time.Hour + 5*time.Nanosecond)
	it := tagged("a", 0, 1, func(r *tagSidecar) { r.Expires.Time = exact })
	it.expires = exact.Truncate(time.Second)
	if v := it.version(); !v.Expires.Equal(exact) || !v.Updated.Equal(epoch.Add(1)) {
		t.Errorf("untouched: expires %v, updated %v", v.Expires, v.Updated)
	}
	it.expires, it.updated = epoch.Add(2*time.Hour), epoch.Add(time.Minute)
	if v := it.version(); !v.Expires.Equal(it.expires) || !v.Updated.Equal(it.updated) {
		t.Errorf("touched: expires %v, updated %v", v.Expires, v.Updated)
	}
}

// TestManaged: a certificate's secret goes out marked and never in.
func TestManaged(t *testing.T) {
	t.Parallel()
	it := native("a", 0)
	it.managed = true
	s := newStored(origin{"s", "v"}, "n", []item{it}, "").Clone()
	if string(s.Versions[0].Extra[extraManaged]) != "true" || s.Extra.Text(extraName) != "Spelled" {
		t.Error("the mark or the spelling is not kept aside")
	}
	s.Versions[0].Value = secret.TextValue("x")
	b := &Backend{now: time.Now}
	if losses := b.Forecast(s); secret.Worst(losses) != secret.Data {
		t.Errorf("the forecast of a managed secret: %v", losses)
	}
	_, err := b.Import(t.Context(), s, "")
	wantKind(t, "Import of a managed secret", err, secret.Invalid)
}

// TestForecastOfSample says all that is foretold of a secret that uses
// everything: what does not fit into one tag of 256 characters.
func TestForecastOfSample(t *testing.T) {
	t.Parallel()
	b := &Backend{now: time.Now}
	var got []string
	for _, l := range b.Forecast(backendtest.Sample("s")) {
		got = append(got, fmt.Sprintf("%v %d %s", l.Grade, l.Version, l.What))
	}
	want := []string{"trace 0 created", "trace 8 version", "trace 0 current", "trace 7 form", "trace 10 form", "meaning 0 description", "meaning 0 tags", "meaning 0 extra"}
	if !slices.Equal(got, want) {
		t.Errorf("the losses are %q", got)
	}
}
