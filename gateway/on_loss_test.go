package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
)

// newNarrow is a world whose store b holds what CSMS holds.
func newNarrow(t *testing.T, change func(*gateway.Options)) *world {
	t.Helper()
	w := newWorld(t, func(o *gateway.Options) {
		o.Archive = archive.Dir(filepath.Join(t.TempDir(), "archive"))
		if change != nil {
			change(o)
		}
	})
	w.b.Backend = memory.New(memory.Options{}).Imitate(huaweicsms.Profile())
	return w
}

// narrow is a store that holds too few versions from the start, so that the
// gateway knows its limit.
func narrow(o *gateway.Options) {
	o.Stores[1].Backend = &backendtest.Faulty{Backend: memory.New(memory.Options{}).Imitate(huaweicsms.Profile())}
}

// fill writes versions up to n into a, edited.
func fill(t *testing.T, w *world, n int, edit func(int, *secret.Draft)) {
	t.Helper()
	for i := 1; i <= n; i++ {
		d := draft(fmt.Sprint("hush", i))
		edit(i, &d)
		if _, err := w.Put(t.Context(), call, refA, d); err != nil {
			t.Fatal(err)
		}
	}
}

func plain(int, *secret.Draft) {}

func gone(losses []secret.Loss) []secret.Ordinal {
	var out []secret.Ordinal
	for _, l := range losses {
		if l.What == "version" {
			out = append(out, l.Version)
		}
	}
	return out
}

func ordinals(s *secret.Secret) (out []secret.Ordinal) {
	for i := range s.Versions {
		out = append(out, s.Versions[i].Ordinal)
	}
	return out
}

// TestTrimOldest: the oldest that nothing names go, the newest stay, and what
// was foretold is what happened.
func TestTrimOldest(t *testing.T) {
	t.Parallel()
	w := newNarrow(t, nil)
	fill(t, w, 25, func(i int, d *secret.Draft) {
		if i == 2 {
			d.Stages = []string{"kept"}
		}
	})
	blob := backupOf(t, w, refA)
	_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	wantKind(t, err, secret.Lossy)
	o := gateway.RestoreOptions{OnLoss: gateway.LossTrim, DryRun: true}
	would, err := w.Restore(t.Context(), call, "b", blob, o)
	if err != nil {
		t.Fatal(err)
	}
	o.DryRun = false
	did, err := w.Restore(t.Context(), call, "b", blob, o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(would.Losses, did.Losses) || !slices.Equal(gone(did.Losses), []secret.Ordinal{1, 3, 4, 5, 6}) {
		t.Errorf("foretold %v, done %v", would.Losses, did.Losses)
	}
	want, _ := w.a.Backend.Export(t.Context(), "n")
	got, err := w.b.Backend.Export(t.Context(), "n")
	if err != nil || len(got.Versions) != 20 {
		t.Fatalf("%d versions stand: %v", len(got.Versions), err)
	}
	backendtest.Compare(t, want, got, did.Losses)
	if !slices.Equal(ordinals(would.Secret), ordinals(got)) {
		t.Errorf("the dry run says that %v would stand", ordinals(would.Secret))
	}
	if e := w.last(t); len(e.Losses) != len(did.Losses) || e.Archive != "" {
		t.Errorf("audit: %+v", e)
	}
}

// TestTrimTakesNothingElse: what is no question of number is refused, and the
// refusal names it and not the versions that might go.
func TestTrimTakesNothingElse(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		n    int
		edit func(int, *secret.Draft)
		says string
	}{
		"a stage":                {25, func(i int, d *secret.Draft) { d.Stages = []string{fmt.Sprint("no such stage ", i)} }, "stages"},
		"a value":                {25, func(i int, d *secret.Draft) { d.Value = secret.TextValue(strings.Repeat("hush", 8193)) }, "32768"},
		"the oldest is too long": {3, func(i int, d *secret.Draft) { d.Value = secret.TextValue(strings.Repeat("hush", 8193)) }, "32768"},
		"one is disabled":        {25, func(i int, d *secret.Draft) { d.Disabled = true }, "disabled"},
	} {
		w := newNarrow(t, nil)
		fill(t, w, c.n, func(i int, d *secret.Draft) {
			if i == 1 && c.n == 3 || i == 20 {
				c.edit(i, d)
			}
		})
		_, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{OnLoss: gateway.LossTrim})
		wantKind(t, err, secret.Lossy)
		if d := secret.DetailOf(err); !strings.Contains(d, c.says) || strings.Contains(d, "20 versions") {
			t.Errorf("%s: %s", what, d)
		}
		if _, err := w.b.Backend.Describe(t.Context(), "n"); !errors.Is(err, secret.NotFound) {
			t.Errorf("%s: something was written: %v", what, err)
		}
	}
}

// TestArchive: the whole document is on the disk before the target is touched,
// and what the target could not hold comes back from there under its old id.
func TestArchive(t *testing.T) {
	t.Parallel()
	w := newNarrow(t, func(o *gateway.Options) { o.Stores[1].OnLoss = gateway.LossArchive })
	fill(t, w, 25, func(i int, d *secret.Draft) { d.Disabled = i == 22 })
	blob := backupOf(t, w, refA)
	would, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{DryRun: true})
	if err != nil || would.Archive == "" {
		t.Fatalf("dry run: %v", err)
	}
	if _, err := os.Stat(would.Archive); !os.IsNotExist(err) {
		t.Errorf("a dry run wrote: %v", err)
	}
	imports := 0
	w.b.Before = func(_ context.Context, m string) error {
		if m == "Import" {
			imports++
			if kept, err := os.ReadFile(would.Archive); err != nil || string(kept) != string(blob) {
				t.Errorf("the target is written before the archive: %v", err)
			}
		}
		return nil
	}
	did, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
	if err != nil || imports != 1 {
		t.Fatal(err)
	}
	if did.Archive != would.Archive || !slices.Equal(did.Losses, would.Losses) || len(did.Versions) != 20 {
		t.Errorf("foretold %s %v, done %s %v", would.Archive, would.Losses, did.Archive, did.Losses)
	}
	if e := w.last(t); e.Archive != did.Archive || e.Result != "ok" {
		t.Errorf("audit: %+v", e)
	}
	want, _ := w.a.Backend.Export(t.Context(), "n")
	kept, err := os.ReadFile(did.Archive)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.Restore(t.Context(), call, "a", kept, gateway.RestoreOptions{As: "back"})
	if err != nil || len(out.Secret.Versions) != 25 || out.Archive != "" {
		t.Fatalf("from the archive: %v", err)
	}
	old, err := w.a.Backend.Get(t.Context(), "back", secret.ByUID(want.Versions[0].UID))
	if err != nil || !old.Versions[0].Value.Equal(want.Versions[0].Value) {
		t.Errorf("the first version by its old id: %v", err)
	}
}

// TestArchiveThatFails: nothing is written where the document cannot be kept.
func TestArchiveThatFails(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		dir  func(dir string) archive.Dir
		kind secret.Kind
	}{
		"none configured": {func(string) archive.Dir { return "" }, secret.Unsupported},
		"a file": {func(dir string) archive.Dir {
			path := filepath.Join(dir, "file")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return archive.Dir(path)
		}, secret.Internal},
	} {
		w := newNarrow(t, func(o *gateway.Options) { o.Archive = c.dir(t.TempDir()) })
		fill(t, w, 21, plain)
		blob := backupOf(t, w, refA)
		_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{OnLoss: gateway.LossArchive})
		wantKind(t, err, c.kind)
		if e := w.last(t); e.Archive != "" || e.Result == "ok" {
			t.Errorf("%s: audit: %+v", what, e)
		}
		if _, err := w.b.Backend.Describe(t.Context(), "n"); !errors.Is(err, secret.NotFound) {
			t.Errorf("%s: something was written: %v", what, err)
		}
	}
}

// TestBackupTakesNoArchive: what cannot be read can be kept nowhere.
func TestBackupTakesNoArchive(t *testing.T) {
	t.Parallel()
	for _, choice := range gateway.OnLosses() {
		w := newWorld(t, func(o *gateway.Options) {
			o.Stores[0].OnLoss, o.Archive = choice, archive.Dir(t.TempDir())
		})
		put(t, w, refA, "hush1")
		if _, err := w.Put(t.Context(), call, refA, secret.Draft{Missing: secret.Unreadable, Disabled: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Backup(t.Context(), call, refA); (err == nil) != (choice == gateway.LossAccept) {
			t.Errorf("%s: %v", choice, err)
		}
	}
}

// TestAppendNeverPushesOut: where the target has no room for all new versions,
// what stands there stays, and what is left out is foretold.
func TestAppendNeverPushesOut(t *testing.T) {
	t.Parallel()
	for choice, want := range map[gateway.OnLoss]secret.Kind{
		gateway.LossFail: secret.Lossy, gateway.LossTrim: 0, gateway.LossAccept: 0, gateway.LossArchive: 0,
	} {
		w := newWorld(t, func(o *gateway.Options) {
			narrow(o)
			o.Archive = archive.Dir(filepath.Join(t.TempDir(), "archive"))
		})
		fill(t, w, 18, plain)
		if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		fill(t, w, 5, plain)
		o := gateway.RestoreOptions{OnConflict: gateway.ConflictAppend, OnLoss: choice, DryRun: true}
		blob := backupOf(t, w, refA)
		would, err := w.Restore(t.Context(), call, "b", blob, o)
		o.DryRun = false
		out, doneErr := w.Restore(t.Context(), call, "b", blob, o)
		if want != 0 {
			wantKind(t, err, want)
			wantKind(t, doneErr, want)
			continue
		}
		if err != nil || doneErr != nil {
			t.Fatalf("%s: %v, %v", choice, err, doneErr)
		}
		// 22 holds the previous role in the document, 23 the current one.
		if would.Added != 2 || out.Added != 2 || !slices.Equal(gone(out.Losses), []secret.Ordinal{19, 20, 21}) || !slices.Equal(would.Losses, out.Losses) {
			t.Errorf("%s: added %d and %d, lost %v", choice, would.Added, out.Added, out.Losses)
		}
		if n := len(out.Secret.Versions); n != 20 || out.Secret.Versions[0].Ordinal != 1 || out.Versions[23] != out.Secret.Current {
			t.Errorf("%s: %d stand: %v", choice, n, ordinals(out.Secret))
		}
		if (out.Archive != "") != (choice == gateway.LossArchive) {
			t.Errorf("%s: archive %q", choice, out.Archive)
		}
	}
}

// TestAppendAddsLessTheLosses: what is appended is the document less what was
// foretold, as it is with a whole restore.
func TestAppendAddsLessTheLosses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, narrow)
	fill(t, w, 1, plain)
	if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	fill(t, w, 3, func(i int, d *secret.Draft) {
		switch i {
		case 1:
			d.Value = secret.TextValue(strings.Repeat("hush", 8193))
		case 2:
			d.Stages = []string{"no such stage"}
		}
	})
	out, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{OnConflict: gateway.ConflictAppend, OnLoss: gateway.LossAccept})
	if err != nil {
		t.Fatal(err)
	}
	if out.Added != 2 || out.Versions[3] != 2 || out.Versions[4] != 3 || out.Versions[2] != 0 || len(out.Secret.Versions) != 3 {
		t.Errorf("added %d: %v", out.Added, out.Versions)
	}
}

// TestARepeatOfALossyRestoreIsDone: what landed less what was foretold is
// known again.
func TestARepeatOfALossyRestoreIsDone(t *testing.T) {
	t.Parallel()
	w := newNarrow(t, nil)
	fill(t, w, 25, plain)
	blob := backupOf(t, w, refA)
	lose := true
	w.b.After = func(_ context.Context, m string) error {
		if lose && m == "Import" {
			lose = false
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	o := gateway.RestoreOptions{OnLoss: gateway.LossArchive}
	_, err := w.Restore(t.Context(), call, "b", blob, o)
	wantKind(t, err, secret.Unknown)
	if out, err := w.Restore(t.Context(), call, "b", blob, o); err != nil || len(out.Versions) != 20 {
		t.Errorf("the repeat: %v", err)
	}
}
