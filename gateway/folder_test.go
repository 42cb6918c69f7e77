package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// counted counts the names that its lists return.
type counted struct {
	backends.Backend
	names atomic.Int64
}

func (c *counted) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	p, err := c.Backend.List(ctx, q)
	c.names.Add(int64(len(p.Secrets)))
	return p, err
}

// A list under a folder ends with the folder, also for a caller who may see
// nothing of it: it does not look through the whole store.
func TestListUnderAFolder(t *testing.T) {
	t.Parallel()
	store := &counted{Backend: memory.New(memory.Options{})}
	w := newWorld(t, func(o *gateway.Options) { o.Stores[0].Backend = store },
		access.Rule{Callers: []string{"c"}, Allow: []string{"set"}, Stores: []string{"a"}, Names: []string{"*"}},
		access.Rule{Callers: []string{"c"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"red/*", "r*d", "red"}})
	for i := range 6 { // two full pages
		for _, folder := range []string{"blue/", "red/", "red0/", "redder/"} {
			put(t, w, gateway.Ref{Store: "a", Name: secret.Name(fmt.Sprint(folder, i))}, "hush")
		}
	}
	put(t, w, gateway.Ref{Store: "a", Name: "red"}, "hush")
	put(t, w, gateway.Ref{Store: "a", Name: "red/"}, "hush")
	for i := range 2000 {
		put(t, w, gateway.Ref{Store: "a", Name: secret.Name(fmt.Sprintf("z/%d", i))}, "hush")
	}
	for folder, want := range map[secret.Name]int{"red/": 6, "red/0": 0, "blue/": 0, "none/": 0} {
		store.names.Store(0)
		got := 0
		for q := (secret.Query{Under: folder, Limit: 3}); ; {
			p, err := w.List(t.Context(), call, "a", q)
			if err != nil {
				t.Fatal(err)
			}
			if got += len(p.Secrets); len(p.Secrets) == 0 && want > 0 {
				t.Errorf("under %s: a page tells of names behind the folder", folder)
			}
			if q.After = p.Next; p.Next == "" {
				break
			}
		}
		if got != want || store.names.Load() > 30 {
			t.Errorf("under %s: %d names, want %d; the product listed %d", folder, got, want, store.names.Load())
		}
	}
	// A position outside of the folder does not lead out of it.
	for _, after := range []secret.Name{"a", "red0/1", "z"} {
		p, err := w.List(t.Context(), call, "a", secret.Query{Under: "red/", After: after, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Secrets {
			if s.Name < "red/0" || s.Name > "red/9" {
				t.Errorf("after %s comes %s", after, s.Name)
			}
		}
	}
}

// What was backed up behind a folder has left it behind.
func TestBlobsAndFolders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, from secret.Name // the folder in which the backup was made
		into, want secret.Name
	}{
		{"red/x", "red/", "blue/", "blue/x"},
		{"red/x", "red/", "red/", "red/x"},
		{"red/x", "red/", "", "x"},
		{"x", "", "blue/", "blue/x"},
		{"red/x", "", "red/", "red/x"},
		{"red/x", "", "blue/", "blue/red/x"},
		{"red/red/x", "red/", "red/", "red/red/x"},
		{"red/x/y", "red/", "", "x/y"},
	} {
		w := newWorld(t, nil)
		put(t, w, gateway.Ref{Store: "a", Name: c.name}, "hush")
		blob := backupOf(t, w, gateway.Ref{Store: "a", Name: c.name, Folder: c.from})
		out, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{Folder: c.into})
		if err != nil {
			t.Fatal(err)
		}
		if out.Secret.Name != c.want || out.Origin.Name != c.name {
			t.Errorf("%s out of %q into %q is %s, want %s", c.name, c.from, c.into, out.Secret.Name, c.want)
		}
		if e := w.last(t); e.Name != string(c.want) || e.Origin.Name != string(c.name) {
			t.Errorf("audited as %s from %s", e.Name, e.Origin.Name)
		}
	}
}

// A folder is no way round a rule: the rule is asked about whole names, where
// the blob came from and where it goes.
func TestBlobsAndFoldersAskThePolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil,
		access.Rule{Callers: []string{"c"}, Allow: []string{"*"}, Stores: []string{"a"}, Names: []string{"red/*"}},
		access.Rule{Callers: []string{"c"}, Allow: []string{"set", "backup"}, Stores: []string{"a"}, Names: []string{"blue/*"}})
	for _, name := range []secret.Name{"red/x", "blue/y"} {
		put(t, w, gateway.Ref{Store: "a", Name: name}, "hush")
	}
	for _, c := range []struct{ name, from, into secret.Name }{
		{"red/x", "red/", "blue/"}, {"red/x", "red/", ""}, {"blue/y", "blue/", "red/"},
	} {
		blob := backupOf(t, w, gateway.Ref{Store: "a", Name: c.name, Folder: c.from})
		_, err := w.Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{Folder: c.into})
		wantKind(t, err, secret.Denied)
	}
	blob := backupOf(t, w, gateway.Ref{Store: "a", Name: "red/x", Folder: "red/"})
	_, err := w.Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{Folder: secret.Name("red/" + fmt.Sprintf("%0512d", 0) + "/")})
	wantKind(t, err, secret.Invalid)
}

// The error of a restore over what stands tells which version the blob holds.
func TestTakenTellsTheVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	sec := put(t, w, refA, "hush 1", "hush 2")
	blob := backupOf(t, w, refA)
	for _, trashed := range []bool{false, true} {
		if trashed {
			if _, err := w.Delete(t.Context(), call, refA); err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.Restore(t.Context(), call, "a", blob, gateway.RestoreOptions{})
		var taken *gateway.TakenError
		if !errors.As(err, &taken) || taken.Current != sec.Newest().UID {
			t.Errorf("deleted before: %v: the version is not told", trashed)
		}
	}
}
