package all_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/memory"
)

// refuses is a section whose content is wrong for every driver.
type refuses struct{ err error }

func (r refuses) Decode(any) error { return r.err }

func TestRegistry(t *testing.T) {
	t.Parallel()
	r := all.Registry()
	kinds := r.Kinds()
	if n := len(slices.Compact(slices.Clone(kinds))); n != len(r) {
		t.Errorf("%d drivers have %d kinds: %v", len(r), n, kinds)
	}
	for _, kind := range kinds {
		d, err := r.Find(kind)
		if err != nil || d.Open == nil || d.Check == nil {
			t.Fatalf("%s: the driver is not whole: %v", kind, err)
		}
		wrong := errors.New("wrong")
		if err := d.Check(refuses{wrong}); !errors.Is(err, wrong) {
			t.Errorf("%s: Check hides what is wrong with a section: %v", kind, err)
		}
	}
	for _, kind := range []string{"bolt", "memory"} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("%s is not listed", kind)
		}
	}
	if _, err := r.Find("etcd"); err == nil {
		t.Error("an unknown kind is found")
	}
}

// TestEveryWordIsImitated: what the configuration may name, this build has.
func TestEveryWordIsImitated(t *testing.T) {
	t.Parallel()
	have := slices.Sorted(maps.Keys(all.Profiles()))
	if want := memory.Products(); !slices.Equal(have, want) {
		t.Errorf("imitated are %v, named %v", have, want)
	}
}
