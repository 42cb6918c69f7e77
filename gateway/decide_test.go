package gateway_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// twoGateways share one store, and no lock.
func twoGateways(t *testing.T) (one, other *world) {
	t.Helper()
	shared := memory.New(memory.Options{})
	over := func(o *gateway.Options) { o.Stores = []gateway.Store{{Name: "a", Kind: "memory", Backend: shared}} }
	return newWorld(t, over), newWorld(t, over)
}

// TestEditAcrossGateways: what an edit decides by what stands undoes nothing that
// another gateway has done meanwhile.
func TestEditAcrossGateways(t *testing.T) {
	t.Parallel()
	one, other := twoGateways(t)
	ref := gateway.Ref{Store: "a", Name: "s"}
	if _, err := one.Put(t.Context(), call, ref, secret.Draft{Value: secret.TextValue("hush")}); err != nil {
		t.Fatal(err)
	}
	add := func(w *world, tag string, between func()) {
		t.Helper()
		_, err := w.Edit(t.Context(), call, ref, func(have *secret.Secret) (*gateway.Change, error) {
			tags := maps.Clone(have.Tags)
			if tags == nil {
				tags = map[string]string{}
			}
			tags[tag] = "x"
			if between != nil {
				between()
				between = nil
			}
			return &gateway.Change{Patch: secret.Patch{SecretTags: &tags}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add(one, "mine", func() { add(other, "its", nil) })
	s, err := one.Describe(t.Context(), call, ref)
	if err != nil || len(s.Tags) != 2 {
		t.Errorf("the tags are %v, %v", s.Tags, err)
	}
}

// TestAppendAcrossGateways: a version is added to no secret that another gateway
// has removed meanwhile.
func TestAppendAcrossGateways(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		purge bool
		want  secret.Kind
	}{"deleted": {false, secret.Trashed}, "purged": {true, secret.NotFound}} {
		one, other := twoGateways(t)
		ref := gateway.Ref{Store: "a", Name: "s"}
		if _, err := one.Put(t.Context(), call, ref, secret.Draft{Value: secret.TextValue("hush")}); err != nil {
			t.Fatal(err)
		}
		_, err := one.Append(t.Context(), call, ref, secret.Draft{Value: secret.TextValue("hush-2")}, func(*secret.Secret, *secret.Draft) error {
			_, err := other.Delete(t.Context(), call, ref)
			if err == nil && c.purge {
				err = other.Purge(t.Context(), call, ref)
			}
			return err
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}

// leavesTrash is recovered by another gateway once it was looked for among what is live.
type leavesTrash struct {
	*memory.Store
	recover func()
}

func (c *leavesTrash) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	if c.recover != nil {
		c.recover()
		c.recover = nil
	}
	return c.Store.DescribeTrash(ctx, name)
}

// TestAppendToWhatLeavesTheTrash: a secret that is never gone is never told to be.
func TestAppendToWhatLeavesTheTrash(t *testing.T) {
	t.Parallel()
	store := &leavesTrash{Store: memory.New(memory.Options{})}
	w := newWorld(t, func(o *gateway.Options) { o.Stores = []gateway.Store{{Name: "a", Kind: "memory", Backend: store}} })
	ref := gateway.Ref{Store: "a", Name: "s"}
	draft := secret.Draft{Value: secret.TextValue("hush")}
	if _, err := w.Put(t.Context(), call, ref, draft); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Delete(t.Context(), call, ref); err != nil {
		t.Fatal(err)
	}
	store.recover = func() {
		if _, err := store.Recover(t.Context(), "s"); err != nil {
			t.Error(err)
		}
	}
	tells := call
	tells.TellTrash = true
	if s, err := w.Append(t.Context(), tells, ref, draft, nil); err != nil || s.Versions[0].Ordinal != 2 {
		t.Errorf("%v, %v", s, err)
	}
}

// TestEditTooOften: who meets others each time is told to try again, and has
// changed nothing.
func TestEditTooOften(t *testing.T) {
	t.Parallel()
	one, other := twoGateways(t)
	ref := gateway.Ref{Store: "a", Name: "s"}
	if _, err := one.Put(t.Context(), call, ref, secret.Draft{Value: secret.TextValue("hush")}); err != nil {
		t.Fatal(err)
	}
	_, err := one.Edit(t.Context(), call, ref, func(*secret.Secret) (*gateway.Change, error) {
		if _, err := other.Update(t.Context(), call, ref, secret.Current, secret.Patch{ContentType: new("its")}); err != nil {
			t.Fatal(err)
		}
		return &gateway.Change{Patch: secret.Patch{ContentType: new("mine")}}, nil
	})
	if !errors.Is(err, secret.Unavailable) {
		t.Errorf("%v, want %v", err, secret.Unavailable)
	}
	if s, err := one.Describe(t.Context(), call, ref); err != nil || s.Versions[0].ContentType != "its" {
		t.Errorf("the content type is %q, %v", s.Versions[0].ContentType, err)
	}
}
