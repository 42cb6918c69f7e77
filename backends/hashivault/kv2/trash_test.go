package kv2

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

var nextMonth = time.Now().AddDate(0, 1, 0)

func (f *fixture) mustDelete(t *testing.T, name secret.Name) {
	t.Helper()
	if _, err := f.Delete(t.Context(), name, nextMonth); err != nil {
		t.Fatal(err)
	}
}

// TestTrashIsDeletedNatively: native tools see the secret gone, and what they
// do to it does not bring it back.
func TestTrashIsDeletedNatively(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("canary-a"))
	f.mustPut(t, "s", kvtest.Text("canary-b"))
	before, err := f.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	f.mustDelete(t, "s")
	for n := 1; n <= 2; n++ {
		if got, err := f.kv.GetVersion(t.Context(), "s", n); err == nil && got.Data != nil {
			t.Errorf("native tools read version %d of what is deleted", n)
		}
	}
	if err := f.kv.Undelete(t.Context(), "s", []int{1, 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("a native undelete brings the secret back: %v", err)
	}
	other := f.open(t, nil)
	if _, err := other.Recover(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	after, err := f.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, before, after, nil)
}

// TestRecoverLeavesWhatNativeToolsDeleted: those versions stay as they were,
// however many there are.
func TestRecoverLeavesWhatNativeToolsDeleted(t *testing.T) {
	f := newFixture(t)
	const versions = 200
	var gone []int
	for i := range versions {
		f.nativePut(t, "s", map[string]any{"value": fmt.Sprint("canary-", i)})
		if i%2 == 1 {
			gone = append(gone, i+1)
		}
		if i == 0 { // the product's default keeps ten
			f.raise(t, "s", versions)
		}
	}
	if err := f.kv.DeleteVersions(t.Context(), "s", gone); err != nil {
		t.Fatal(err)
	}
	before, err := f.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // an entry in the companion does not outlive its deletion
		f.mustDelete(t, "s")
		if _, err := f.Recover(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		after, err := f.Export(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(after.Versions); n != versions {
			t.Fatalf("%d versions came back", n)
		}
		for i := range after.Versions {
			if want, got := before.Versions[i], after.Versions[i]; want.Missing != got.Missing || !want.Value.Equal(got.Value) || want.UID != got.UID {
				t.Errorf("version %d is %q, was %q", got.Ordinal, got.Missing, want.Missing)
			}
		}
	}
}

func (f *fixture) raise(t *testing.T, path string, most int) {
	t.Helper()
	if _, err := f.native.Logical().Write(f.conf.Mount+"/metadata/"+path, map[string]any{"max_versions": most}); err != nil {
		t.Fatal(err)
	}
}

// TestDeleteThatStopped: the entry stands, the versions do too. Nobody sees
// the secret, and the next delete finishes the work.
func TestDeleteThatStopped(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("canary"))
	entry := sidecar.ASCII(trashEntry{Deletion: sidecar.Deletion{At: sidecar.Time{Time: time.Now()}, Purge: sidecar.Time{Time: nextMonth}}, Newest: 1})
	f.custom(t, "s", map[string]any{trashKey: entry})
	if _, err := f.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("a half-deleted secret is read: %v", err)
	}
	if _, err := f.Delete(t.Context(), "s", nextMonth); !errors.Is(err, secret.NotFound) {
		t.Errorf("a second delete: %v", err)
	}
	if got, err := f.kv.GetVersion(t.Context(), "s", 1); err == nil && got.Data != nil {
		t.Error("the second delete leaves the value to native tools")
	}
	if _, err := f.Recover(t.Context(), "s"); err != nil {
		t.Error(err)
	}
	if got, err := f.Get(t.Context(), "s", secret.Current); err != nil || got.Newest().Value.IsNone() {
		t.Errorf("after recovery: %v", err)
	}
}

// TestDeleteCutAnywhere: a caller who was not told how a delete ended may send
// it again, and then native tools see the secret gone as well.
func TestDeleteCutAnywhere(t *testing.T) {
	f := newFixture(t)
	for _, late := range []bool{false, true} {
		for at := int64(1); at <= 2; at++ {
			name := secret.Name(fmt.Sprintf("cut-%v-%d", late, at))
			f.mustPut(t, name, kvtest.Text("canary"))
			c := &kvtest.Cutter{Next: kvtest.NewWire(t), At: at, Late: late}
			_, err := f.open(t, c).Delete(t.Context(), name, nextMonth)
			if at == 2 || late {
				if !errors.Is(err, secret.Unknown) || errors.Is(err, secret.Partial) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if _, err := f.Delete(t.Context(), name, nextMonth); err != nil && !errors.Is(err, secret.NotFound) {
				t.Errorf("%s, again: %v", name, err)
			}
			if _, err := f.DescribeTrash(t.Context(), name); err != nil {
				t.Errorf("%s is not in the trash: %v", name, err)
			}
			if got, err := f.kv.GetVersion(t.Context(), string(name), 1); err == nil && got.Data != nil {
				t.Errorf("%s is left to native tools", name)
			}
		}
	}
}

// TestSpoiltTrashEntry hides the secret all the same.
func TestSpoiltTrashEntry(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("canary"))
	f.mustPut(t, "t", kvtest.Text("canary"))
	f.custom(t, "s", map[string]any{trashKey: "nonsense"})
	if _, err := f.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.NotFound) {
		t.Errorf("a secret with a spoilt entry is read: %v", err)
	}
	if _, err := f.Recover(t.Context(), "s"); !errors.Is(err, secret.Conflict) {
		t.Errorf("recover: %v", err)
	}
	if p, err := f.List(t.Context(), secret.Query{}); err != nil || len(p.Secrets) != 1 {
		t.Errorf("the list: %v", err)
	}
}

// TestPurgeLeavesNothing: neither the key nor its companion.
func TestPurgeLeavesNothing(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Import(t.Context(), kvtest.Many("s", 60, "x"), "token"); err != nil {
		t.Fatal(err)
	}
	f.mustDelete(t, "s")
	if err := f.Purge(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"", connection.CompanionFolder} {
		got, err := f.native.Logical().List(f.conf.Mount + "/metadata/" + folder)
		if err != nil {
			t.Fatal(err)
		}
		if got != nil {
			t.Errorf("something is left in %q", folder)
		}
	}
}

// TestUpdateOfNativeFields keeps how they read.
func TestUpdateOfNativeFields(t *testing.T) {
	f := newFixture(t)
	f.nativePut(t, "s", map[string]any{"user": "canary", "pass": "canary"})
	before, err := f.Get(t.Context(), "s", secret.Current)
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]string{"a": "b"}
	if _, err := f.Update(t.Context(), "s", secret.Current, secret.Patch{Tags: &tags}); err != nil {
		t.Fatal(err)
	}
	after, err := f.Get(t.Context(), "s", secret.Current)
	if err != nil {
		t.Fatal(err)
	}
	b, a := before.Newest(), after.Newest()
	if !a.Value.Equal(b.Value) || a.ContentType != b.ContentType || a.UID != b.UID || !a.Created.Equal(b.Created) || a.Tags["a"] != "b" {
		t.Error("more than the tags changed")
	}
}
