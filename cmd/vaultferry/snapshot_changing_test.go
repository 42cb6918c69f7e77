package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// TestSnapshotOfAChangingStore: while secrets are written, deleted, recovered and made,
// each snapshot is whole, holds everything that stayed, and each secret as it was at
// one moment.
func TestSnapshotOfAChangingStore(t *testing.T) {
	t.Parallel()
	w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
	w.file(t, "vaultferry.yaml", commonConfig+"  - { name: a, backend: bolt, bolt: { path: a.db } }\n")
	w.inside(t, exitDone, "keys", "new", "--output-file", filepath.Join(w.dir, "keyring.json"))
	w.serve(t, "vaultferry.yaml")
	repo := filepath.Join(w.dir, "repo")
	w.inside(t, exitDone, "snapshot", "init", "--repo", repo)
	s, call := w.service(t, "a")
	put := func(ctx context.Context, name string, version int) error {
		// What belongs together is written at once: the value, the type and a tag.
		said := fmt.Sprint(version)
		_, err := s.service.Put(ctx, call, gateway.Ref{Store: "a", Name: secret.Name(name)}, secret.Draft{Value: secret.TextValue(said), ContentType: said, Tags: map[string]string{"n": said}})
		return err
	}
	const stays, comes = 20, 10
	for i := range stays {
		if err := put(t.Context(), fmt.Sprintf("stays/%02d", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writers errgroup.Group
	writers.Go(func() error {
		for v := 2; ctx.Err() == nil; v++ {
			for i := range stays {
				if err := put(ctx, fmt.Sprintf("stays/%02d", i), v); err != nil && ctx.Err() == nil {
					return err
				}
			}
		}
		return nil
	})
	writers.Go(func() error {
		for v := 0; ctx.Err() == nil; v++ {
			name := fmt.Sprintf("comes/%02d", v%comes)
			ref := gateway.Ref{Store: "a", Name: secret.Name(name)}
			err := put(ctx, name, v)
			if err == nil {
				_, err = s.service.Delete(ctx, call, ref)
			}
			if err == nil {
				_, err = s.service.Recover(ctx, call, ref)
			}
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	})
	for range 6 {
		w.inside(t, exitDone, "snapshot", "create", "a", "--repo", repo)
	}
	stop()
	if err := errors.Join(writers.Wait(), s.close()); err != nil {
		t.Fatal(err)
	}
	w.inside(t, exitDone, "snapshot", "check", "--repo", repo, "--read-data")
	w.eachAtOneMoment(t, repo, stays)
}

func (w *killWorld) eachAtOneMoment(t *testing.T, repo string, stays int) {
	t.Helper()
	keys, err := backup.LoadKeyring(filepath.Join(w.dir, "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.Open(repo, keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := r.Key()
	h, err2 := r.History()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	states := map[string]bool{}
	for _, one := range h.Kept {
		found := 0
		if _, err := r.Load(one.ID, func(e *snapshot.Entry) error {
			_, doc, err := r.Document(key, e)
			if err != nil {
				return err
			}
			if strings.HasPrefix(string(e.Name), "stays/") {
				found++
				states[e.Document] = true
			}
			for i := range doc.Secret.Versions {
				v := &doc.Secret.Versions[i]
				if said := string(v.Value.Reveal()); v.ContentType != said || v.Tags["n"] != said || v.Ordinal != secret.Ordinal(i+1) {
					t.Errorf("%s, version %d is of several moments", e.Name, v.Ordinal)
				}
			}
			if doc.Secret.Current != doc.Secret.Newest().Ordinal {
				t.Errorf("%s: an older version is current", e.Name)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if found != stays || !one.Whole() {
			t.Errorf("a snapshot holds %d of %d", found, stays)
		}
	}
	if len(states) <= stays {
		t.Error("nothing changed meanwhile")
	}
}
