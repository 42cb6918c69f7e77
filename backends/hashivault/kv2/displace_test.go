package kv2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestLimitsThatSomebodySet: a limit of the key or the mount is kept, what it
// pushes out is told before and is gone after, and a limit that nobody set costs
// no version. No write takes another request for it.
func TestLimitsThatSomebodySet(t *testing.T) {
	for what, c := range map[string]struct{ mount, key, keeps int }{
		"none": {0, 0, 15}, "the key's": {0, 3, 3}, "the mount's": {2, 0, 2}, "the higher one": {4, 3, 4}, "one": {1, 0, 1},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFixture(t)
			f.nativeWrite(t, "config", map[string]any{"max_versions": c.mount})
			if c.key > 0 {
				f.nativeWrite(t, "metadata/s", map[string]any{"max_versions": c.key})
			}
			if err := f.Learn(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := 1; i <= 15; i++ {
				var told []secret.Ordinal
				d := secret.Draft{Value: secret.TextValue(fmt.Sprint("canary-", i)), Tags: map[string]string{"n": fmt.Sprint(i)}, Stages: []string{fmt.Sprint("s", i)}}
				ctx, count := backends.WithCallCount(t.Context())
				got, err := f.PutDisplacing(ctx, "s", d, func(_ context.Context, gone []secret.Ordinal) error { told = gone; return nil })
				if err != nil || count() > 4 {
					t.Fatalf("write %d took %d requests: %v", i, count(), err)
				}
				var want []secret.Ordinal
				if o := secret.Ordinal(i - c.keeps); o > 0 {
					want = []secret.Ordinal{o}
				}
				all := f.mustExport(t, "s")
				if !slices.Equal(told, want) || len(all.Versions) != min(i, c.keeps) || got.Current != secret.Ordinal(i) || got.Previous != all.Previous {
					t.Fatalf("write %d pushed out %d, and %d versions are left", i, told, len(all.Versions))
				}
				for j := range all.Versions {
					v := &all.Versions[j]
					if v.Tags["n"] != v.Ordinal.String() || string(v.Value.Reveal()) != "canary-"+v.Ordinal.String() || len(v.Stages) != 1 {
						t.Errorf("version %d is not as it was written", v.Ordinal)
					}
				}
			}
			kept := 0
			for k := range f.metadataOf(t, "s").CustomMetadata {
				if strings.HasPrefix(k, versionKey) {
					kept++
				}
			}
			if kept > c.keeps {
				t.Errorf("entries of %d versions are left, of %d versions", kept, c.keeps)
			}
		})
	}
}

// TestPushesOutNothing: where what goes must stay, nothing is written.
func TestPushesOutNothing(t *testing.T) {
	f := newFixture(t)
	f.nativeWrite(t, "metadata/s", map[string]any{"max_versions": 2})
	f.mustPut(t, "s", kvtest.Text("1"))
	f.mustPut(t, "s", secret.Draft{Value: secret.TextValue("2"), KeepCurrent: true})
	no := errors.New("no")
	if _, err := f.PutDisplacing(t.Context(), "s", kvtest.Text("3"), func(context.Context, []secret.Ordinal) error { return no }); !errors.Is(err, no) {
		t.Errorf("Put: %v", err)
	}
	if _, err := f.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("3"), KeepCurrent: true}); !errors.Is(err, secret.Unsupported) {
		t.Errorf("Put that would push out the current version: %v", err)
	}
	if got := f.mustExport(t, "s"); len(got.Versions) != 2 || got.Current != 1 || f.VersionLimit(got) != 2 {
		t.Errorf("%d versions, current %d, limit %d", len(got.Versions), got.Current, f.VersionLimit(got))
	}
}

// TestImportKeepsTheLimit: a key waits with a limit; what is imported into it
// stands whole, and the limit counts again afterwards.
func TestImportKeepsTheLimit(t *testing.T) {
	f := newFixture(t)
	f.nativeWrite(t, "metadata/s", map[string]any{"max_versions": 3})
	s := kvtest.Many("s", 12, "x")
	if _, err := f.Import(t.Context(), s, "token"); err != nil {
		t.Fatal(err)
	}
	got := f.mustExport(t, "s")
	if f.VersionLimit(got) != 3 {
		t.Error("the limit is gone")
	}
	got.Extra = nil
	backendtest.Compare(t, s, got, f.Forecast(s))
}
