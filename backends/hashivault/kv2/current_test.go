package kv2

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// currents are secrets, each with how many requests a Get of current takes, and
// how many of any other selector at least.
var currents = map[string]struct {
	make     func(*testing.T, *fixture)
	requests int64
}{
	"a text":        {func(t *testing.T, f *fixture) { f.mustPut(t, "s", kvtest.Text("canary")) }, 1},
	"native fields": {func(t *testing.T, f *fixture) { f.nativePut(t, "s", map[string]any{"a": "b", "c": 1}) }, 1},
	"bytes": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", secret.Draft{Value: secret.BinaryValue([]byte{0xff}), Disabled: true})
	}, 1},
	"every attribute": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", kvtest.Text("first"))
		f.mustPut(t, "s", secret.Draft{
			Value: secret.TextValue("canary"), Tags: map[string]string{"a": "b"}, Stages: []string{"blue"}, ContentType: "a/b",
			Expires: time.Now().Add(time.Hour), OfSecret: &secret.Attributes{Description: "d", Tags: map[string]string{"c": "d"}},
		})
	}, 1},
	"a native version after ours": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("a"), Stages: []string{"blue"}})
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("b"), KeepCurrent: true})
		f.nativePut(t, "s", map[string]any{"value": "c"})
	}, 1},
	"deleted natively": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", kvtest.Text("a"))
		f.mustPut(t, "s", kvtest.Text("b"))
		if err := f.kv.Delete(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
	}, 1},
	"an entry beside others in the companion": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("a"), Tags: map[string]string{"long": strings.Repeat("t", 600)}})
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("b"), Tags: map[string]string{"short": "t"}})
	}, 1},
	"another is current": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("a"), Tags: map[string]string{"a": "b"}})
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("b"), KeepCurrent: true, Disabled: true})
	}, 2},
	"another is current, after gaps": {func(t *testing.T, f *fixture) {
		s := kvtest.Many("s", 4, "x")
		for i, o := range []secret.Ordinal{5, 7, 1_000_000, 1_000_002} {
			s.Versions[i].Ordinal = o
		}
		s.Current, s.Previous = 1_000_000, 5
		f.moved(t, s)
	}, 2},
	"nobody is current": {func(t *testing.T, f *fixture) {
		s := kvtest.Many("s", 4, "x")
		s.Current, s.Previous = 0, 0
		f.moved(t, s)
	}, 2},
	"a large entry": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("a"), Tags: map[string]string{"long": strings.Repeat("t", 600)}})
	}, 3},
	"a large head": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("a"), OfSecret: &secret.Attributes{Description: strings.Repeat("d", 600)}})
	}, 3},
	"many versions": {func(t *testing.T, f *fixture) { f.moved(t, kvtest.Many("s", 2*maxKeys, "x")) }, 3},
	"in the trash": {func(t *testing.T, f *fixture) {
		f.mustPut(t, "s", kvtest.Text("canary"))
		f.mustDelete(t, "s")
	}, 1},
	"an unfinished import": {func(t *testing.T, f *fixture) {
		if _, err := f.open(t, &kvtest.Cutter{Next: kvtest.NewWire(t), At: 6}).Import(t.Context(), backendtest.Sample("s"), "token"); err == nil {
			t.Fatal("the cut import succeeded")
		}
	}, 1},
	"nothing": {func(*testing.T, *fixture) {}, 1},
}

// TestCurrent: a Get of current says what all that is known of the secret says,
// in as few requests as there may be.
func TestCurrent(t *testing.T) {
	t.Parallel()
	for what, c := range currents {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			c.make(t, f)
			ctx, count := backends.WithCallCount(t.Context())
			got, err := f.Get(ctx, "s", secret.Current)
			if count() > c.requests {
				t.Errorf("%d requests, want %d", count(), c.requests)
			}
			at, placeErr := f.Locate("s")
			if placeErr != nil {
				t.Fatal(placeErr)
			}
			want, wantErr := f.get(t.Context(), at, "s", secret.Current)
			if secret.KindOf(err) != secret.KindOf(wantErr) || (err == nil) != (wantErr == nil) {
				t.Fatalf("Get: %v, want %v", err, wantErr)
			}
			if err != nil {
				return
			}
			if got.Previous == 0 {
				got.Previous = want.Previous
			}
			if got.Created.IsZero() && got.Updated.IsZero() {
				got.Created, got.Updated = want.Created, want.Updated
			}
			if d := cmp.Diff(want, got, cmp.Comparer(secret.Value.Equal)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestCurrentWhileWritten: another gateway writes between any two requests of a
// Get of current. What it returns is what stood before or after, and never a
// value without its state.
func TestCurrentWhileWritten(t *testing.T) {
	t.Parallel()
	disabled := secret.Draft{Value: secret.TextValue("canary-disabled"), Disabled: true, Tags: map[string]string{"own": "tag"}}
	for what, c := range currents {
		for at := int64(1); at < c.requests; at++ {
			t.Run(fmt.Sprint(what, "/", at), func(t *testing.T) {
				f := newFixture(t)
				c.make(t, f)
				before, err := f.Get(t.Context(), "s", secret.Current)
				if err != nil && !errors.Is(err, secret.NotFound) {
					t.Fatal(err)
				}
				wire := kvtest.NewWire(t)
				var requests atomic.Int64
				got, err := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
					resp, err := wire.RoundTrip(r)
					if requests.Add(1) == at {
						f.mustPut(t, "s", disabled)
					}
					return resp, err
				})).Get(t.Context(), "s", secret.Current)
				if err != nil {
					t.Fatal(err)
				}
				v := got.Newest()
				if v.Value.Equal(disabled.Value) && (!v.Disabled || v.Tags["own"] != "tag") {
					t.Error("the value is there without what was written with it")
				}
				if !v.Value.Equal(disabled.Value) && (before == nil || v.UID != before.Newest().UID || v.Disabled != before.Newest().Disabled) {
					t.Error("the version is neither the one before nor the one after")
				}
			})
		}
	}
}
