package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

var estateSize = flag.Int("estate", 130, "secrets that TestEstate and TestEstateByPlans move; `make estate` moves 2,000")

// TestEstate moves what an old Vault holds by the commands into a bolt store,
// and on into another Vault. Vault's own client then compares the two: every
// difference that native tools can see was foretold by the dry runs, and all
// that was foretold is a difference.
func TestEstate(t *testing.T) {
	old, fresh := vaulttest.Start(t), vaulttest.Start(t)
	from, to := old.Client(t, vaulttest.RootToken), fresh.Client(t, vaulttest.RootToken)
	made := fillEstate(t, from, *estateSize)
	before := viewOf(t, from)
	e := newEstate(t, old.Address, fresh.Address)

	listed := e.names("old")
	if want := made.listed(); !slices.Equal(listed, want) {
		t.Fatalf("the list differs from what stands there: %s", firstDifference(listed, want))
	}
	moved := map[string]foretold{}
	e.backup("old", moved, made.named(func(s estateSecret) bool { return s.shape != softDeletedRead && !s.gone }), "--on-loss", "accept")
	e.backup("old", moved, made.named(func(s estateSecret) bool { return s.shape == softDeletedRead }), "--read-deleted")
	e.restore("mid", moved)
	e.backup("mid", moved, e.names("mid"))
	e.restore("new", moved)

	after := viewOf(t, to)
	for _, s := range made {
		if s.gone {
			if _, there := after[s.name]; there {
				t.Errorf("%q: nothing was left of it, and it stands in the new Vault", s.name)
			}
			continue
		}
		seen := before[s.name].differences(after[s.name])
		if told := moved[s.name].visible(); !maps.Equal(seen, told) {
			t.Errorf("%q (%s): Vault's client sees %v, foretold was %v", s.name, s.shape, sorted(seen), sorted(told))
		}
	}
	if len(after) != len(listed) {
		t.Errorf("the new Vault has %d keys, moved were %d", len(after), len(listed))
	}
	for name, was := range before { // the old one is as it was
		if d := was.differences(viewOfKey(t, from, name)); len(d) != 0 && made.shapeOf(name) != softDeletedRead {
			t.Errorf("%q: the move changed the old Vault: %v", name, sorted(d))
		}
	}
}

// estate is the folder in which the commands run.
type estate struct {
	t   *testing.T
	dir string
}

func newEstate(t *testing.T, old, fresh string) *estate {
	e := &estate{t: t, dir: t.TempDir()}
	config := fmt.Sprintf(`server: { tls: { off: true } }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
stores:
  - { name: old, backend: hashivault, hashivault: { address: %q, mount: secret, token: { file: token } } }
  - { name: mid, backend: bolt, bolt: { path: mid.db } }
  - { name: new, backend: hashivault, hashivault: { address: %q, mount: secret, token: { file: token } } }
`, old, fresh)
	for name, text := range map[string]string{"vaultferry.yaml": config, "token": vaulttest.RootToken} {
		if err := os.WriteFile(filepath.Join(e.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e.run("", "keys", "new", "--type", "A256KW", "--output-file", "keyring.json")
	return e
}

// run wants exit code 0 and returns what the command wrote.
func (e *estate) run(input string, args ...string) []byte {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), "vaultferry", args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = e.dir, strings.NewReader(input), &stderr
	out, err := cmd.Output()
	if err != nil {
		e.t.Fatalf("vaultferry %s: %v\n%s\n%s", strings.Join(args[:min(len(args), 4)], " "), err, stderr.Bytes(), firstBytes(out))
	}
	return out
}

func (e *estate) answer(out []byte, to any) {
	e.t.Helper()
	if err := json.Unmarshal(out, to); err != nil {
		e.t.Fatalf("%v in %s", err, firstBytes(out))
	}
}

func (e *estate) names(store string) []string {
	var entries []struct{ Name string }
	e.answer(e.run("", "list", store, "--output", "json"), &entries)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name
	}
	return names
}

// backup takes files of the names, after a dry run that foretells what a restore
// says again, and which versions come back live.
func (e *estate) backup(store string, moved map[string]foretold, names []string, flags ...string) {
	e.t.Helper()
	args := append([]string{"backup", store, "-"}, flags...)
	var dry []backupReport
	e.answer(e.run(strings.Join(names, "\n"), append(slices.Clone(args), "--dry-run", "--output", "json")...), &dry)
	for _, r := range dry {
		if moved[r.Name] == nil {
			moved[r.Name] = foretold{}
		}
		for _, l := range r.Losses {
			if l.What == "updated" {
				moved[r.Name][difference{l.Version, undeleted}] = true
			}
		}
	}
	e.run(strings.Join(names, "\n"), args...)
}

// undeleted is what a backup that reads deleted versions makes of one.
const undeleted = "undeleted"

// restore moves every file that stands in the folder, after a dry run that
// foretells the same.
func (e *estate) restore(store string, moved map[string]foretold) {
	e.t.Helper()
	files, err := filepath.Glob(filepath.Join(e.dir, map[string]string{"mid": "old", "new": "mid"}[store]+"-*"))
	if err != nil || len(files) == 0 {
		e.t.Fatalf("no backup to restore into %s: %v", store, err)
	}
	args := append([]string{"restore", store, "--on-loss", "accept", "--output", "json"}, files...)
	var dry, done []restoreReport
	e.answer(e.run("", append(slices.Clone(args), "--dry-run")...), &dry)
	e.answer(e.run("", args...), &done)
	for i, r := range dry {
		if a, b := told(r), told(done[i]); r.Name != done[i].Name || !maps.Equal(a, b) {
			e.t.Errorf("%q: the dry run foretold %v, the restore %v", r.Name, sorted(a), sorted(b))
		}
		if moved[r.Name] == nil {
			moved[r.Name] = foretold{}
		}
		maps.Copy(moved[r.Name], told(r))
	}
}

// difference is one word of loss, of one version or of the secret as a whole.
type difference struct {
	version int64
	what    string
}

type foretold map[difference]bool

func told(r restoreReport) foretold {
	out := foretold{}
	for _, l := range r.Losses {
		out[difference{l.Version, l.What}] = true
	}
	return out
}

// visible are the words of which Vault's own client sees the effect.
func (f foretold) visible() foretold {
	out := foretold{}
	for d := range f {
		switch d.what {
		case "version", "value", "tags", "extra", "number", "form", "current", "deletion", undeleted:
			out[d] = true
		}
	}
	return out
}

func sorted(f foretold) []string {
	var out []string
	for d := range f {
		out = append(out, fmt.Sprintf("%s of %d", d.what, d.version))
	}
	slices.Sort(out)
	return out
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("at %d of %d and %d: %q and %q", i, len(got), len(want), got[i:min(i+1, len(got))], want[i:min(i+1, len(want))])
		}
	}
	return "nothing"
}

func firstBytes(b []byte) []byte { return b[:min(len(b), 3000)] }
