package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/inventory"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// kills is how often each run dies before one is left to its end; "make soak" asks
// for more.
var kills = flag.Int("kills", 5, "how often each run of TestKillAndResume dies")

// moved is what the source holds, by name and number.
var moved = func() (names []secret.Name) {
	for i := range 16 {
		names = append(names, secret.Name(fmt.Sprintf("team/%02d", i)))
	}
	return names
}()

// TestKillAndResume: a run dies at any moment, by SIGKILL and at last by SIGINT,
// and the same command again brings the move to the end of an unbroken one. Nothing
// that is written tells a value.
func TestKillAndResume(t *testing.T) {
	w := newKillWorld(t)
	w.addPostgres(t)
	kinds := []string{"bolt", "vault", "keyvault", "csms"}
	for _, kind := range append(kinds, "memory", "postgres") {
		w.write(t, kind+"-a", 1, 3)
	}
	pairs := func(which string, rounds int) {
		for apart := 1; apart <= rounds; apart++ {
			w.sideBySide(t, which, func(yield func(string, string) bool) {
				for i, from := range kinds {
					if !yield(from, kinds[(i+apart)%len(kinds)]) {
						return
					}
				}
			})
		}
		w.sideBySide(t, which, maps.All(map[string]string{"bolt": "memory", "memory": "bolt"}))
		w.sideBySide(t, which, maps.All(map[string]string{"bolt": "postgres", "postgres": "bolt"})) // to grow, and back
	}
	pairs("all", len(kinds)-1)
	for _, kind := range append(kinds, "memory", "postgres") {
		w.write(t, kind+"-a", 4, 5)
	}
	pairs("delta", 1) // each kind is source and target of a delta
	t.Run("dead credential", w.dead)
	w.together(t, maps.All(map[string]func(*testing.T){
		"no room for the journal": w.noRoom, "no room for files": w.noRoomForFiles, "no room at the target": w.targetFull, "the target dies": w.targetDies,
	}))
	w.findCanaries(t)
	w.onlyAdds(t)
	const moves = 4*3 + 2 + 2 + 4 + 2 + 2
	if n := w.deaths.Load(); n < int64(moves**kills) {
		t.Errorf("%d runs died, want %d in each of %d moves", n, *kills, moves)
	}
}

// sideBySide moves between pairs of which no two share a source or a target, for a
// bolt file has one owner.
func (w *killWorld) sideBySide(t *testing.T, which string, pairs iter.Seq2[string, string]) {
	t.Run(which, func(t *testing.T) {
		w.together(t, func(yield func(string, func(*testing.T)) bool) {
			for from, to := range pairs {
				if !yield(from+" to "+to, func(t *testing.T) { w.lane(t, from+"-"+to).move(t, from+"-a", to+"-b", which) }) {
					return
				}
			}
		})
	})
}

// together runs tests at the same time, however many processors there are: they
// wait for disks and products.
func (w *killWorld) together(t *testing.T, tests iter.Seq2[string, func(*testing.T)]) {
	var all sync.WaitGroup
	for name, test := range tests {
		all.Go(func() { t.Run(name, test) })
	}
	all.Wait()
}

// onlyAdds: in all these moves nobody asked for anything but to read and to restore.
func (w *killWorld) onlyAdds(t *testing.T) {
	t.Helper()
	audits, err := filepath.Glob(filepath.Join(w.dir, "*audit.jsonl"))
	if err != nil || len(audits) < 12 {
		t.Fatal(audits, err)
	}
	seen := map[string]int{}
	for _, audit := range audits {
		b, err := os.ReadFile(audit)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"op":"cli\.migrate\.[a-z]+","action":"([a-z]+)"`).FindAllSubmatch(b, -1) {
			seen[string(m[1])]++
		}
	}
	for action := range seen {
		if !slices.Contains([]string{"list", "get", "backup", "restore"}, action) {
			t.Errorf("a move asks for %s", action)
		}
	}
	if seen["restore"] == 0 || seen["backup"] == 0 {
		t.Errorf("the audit tells of %v", seen)
	}
}

// dead: a token that ended in the middle stops a run early, and the same command
// with a new one goes on.
func (w *killWorld) dead(t *testing.T) {
	token := filepath.Join(w.dir, "vault.token")
	use := func(s string) {
		t.Helper()
		if err := os.WriteFile(token, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plan := []string{"migrate", "plan", "--from", "bolt-a", "--to", "vault-b", "--add-prefix", "late/", "--on-loss", "accept", "--output-file"}
	w.must(t, exitDone, append(plan, "dead.plan")...)
	dead := w.server.Token(t, w.server.Policy(t, `path "*" { capabilities = ["read"] }`))
	if err := w.server.Client(t, vaulttest.RootToken).Auth().Token().RevokeTree(dead); err != nil {
		t.Fatal(err)
	}
	use(dead)
	out := w.must(t, exitCredential, "migrate", "run", "dead.plan", "--concurrency", "2", "--error-file", "dead names.txt", "--rate", "50/s")
	if !strings.Contains(out, "not tried: 14") || !strings.Contains(out, "to go on, with a new credential: vaultferry migrate run dead.plan --concurrency 2 --error-file 'dead names.txt' --rate 50/s\n") {
		t.Errorf("it says %s", out)
	}
	w.must(t, exitCredential, append(plan, "other.plan")...)
	use(vaulttest.RootToken)
	w.must(t, exitDone, "migrate", "run", "dead.plan")
	w.must(t, exitDone, "migrate", "verify", "dead.plan")
}

// move plans, kills and resumes until as many have died as must, and compares what
// stands with what an unbroken run made. A plan that comes to its end before that
// gives way to a fresh one.
func (w *killWorld) move(t *testing.T, from, to, which string) {
	plan := func(folder string) string {
		file := fmt.Sprintf("%s-%s-%s-%s.plan", which, folder, from, to)
		w.inside(t, exitDone, "migrate", "plan", "--from", from, "--to", to, "--add-prefix", folder+"/"+from+"/", "--on-loss", "accept", "--output-file", filepath.Join(w.dir, file))
		return file
	}
	deaths, plans := 0, 0
	for ; deaths < *kills; plans++ {
		if plans > *kills+3 {
			t.Fatalf("%d plans came to their end, and only %d runs died of %d", plans, deaths, *kills)
		}
		unbroken, folder := fmt.Sprintf("whole-%d", plans), fmt.Sprintf("broken-%d", plans) // with the same past
		w.inside(t, exitDone, "migrate", "run", filepath.Join(w.dir, plan(unbroken)))
		whole, broken := w.stripped(t, to, unbroken+"/"+from), plan(folder)
		deaths += w.dies(t, broken, *kills-deaths)
		out := w.must(t, exitDone, "migrate", "run", broken)
		if !strings.Contains(out, fmt.Sprintf("of %d planned", len(moved))) {
			t.Errorf("the last run says %s", out)
		}
		w.proved(t, broken)
		for name, stands := range w.stripped(t, to, folder+"/"+from) {
			if !bytes.Equal(whole[name], stands) {
				t.Errorf("%s\nunbroken %s\nbroken   %s", name, whole[name], stands)
			}
		}
	}
	t.Logf("%d runs of %d plans died", deaths, plans)
	w.deaths.Add(int64(deaths))
}

// dies runs a plan until it is done or as many of its runs have died as are wanted,
// and returns how many did.
func (w *killWorld) dies(t *testing.T, plan string, wanted int) (deaths int) {
	for deaths < wanted {
		signals := []os.Signal{syscall.SIGKILL}
		switch wanted - deaths {
		case 1:
			signals = []os.Signal{syscall.SIGINT}
		case 2:
			signals = []os.Signal{syscall.SIGINT, syscall.SIGINT}
		}
		if !w.interrupted(t, plan, signals...) {
			break
		}
		deaths++
	}
	return deaths
}

// stripped are the entries of what was moved, by the source's names.
func (w *killWorld) stripped(t *testing.T, store, folder string) map[secret.Name][]byte {
	t.Helper()
	s, call := w.service(t, store)
	defer func() { _ = s.close() }()
	all := map[secret.Name][]byte{}
	for _, name := range moved {
		e, err := s.service.Digest(t.Context(), call, gateway.Ref{Store: store, Name: secret.Name(folder+"/") + name}, w.key, gateway.DigestOptions{Of: name})
		if err != nil {
			t.Fatal(err)
		}
		if e.Versions == nil {
			t.Errorf("%s has no versions", e.Name)
		}
		all[name] = stripped(t, e)
	}
	return all
}

// proved: both sides are as the plan foretold, and a report says so that the public
// key verifies.
func (w *killWorld) proved(t *testing.T, plan string) {
	t.Helper()
	file := filepath.Join(w.dir, plan)
	report := strings.TrimSuffix(file, ".plan") + ".report"
	w.inside(t, exitDone, "migrate", "verify", file)
	w.inside(t, exitDone, "migrate", "report", file, "--output-file", report, "--html", report+".html")
	w.inside(t, exitDone, "report", "verify", report, "--public-key", filepath.Join(w.dir, "public.json"), file, report+".source.inventory", report+".target.inventory")
}

// stripped is an entry less what two runs cannot share: names, and the moment of
// each write.
func stripped(t *testing.T, e *inventory.Entry) []byte {
	t.Helper()
	e.Name, e.Of, e.Read = "", "", time.Time{}
	for _, a := range []inventory.Attributes{e.Attributes} {
		delete(a, "created")
		delete(a, "updated")
	}
	b, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// interrupted runs the plan and ends it once the journal is some lines longer. It
// reports whether the run died: one that was faster has done all.
func (w *killWorld) interrupted(t *testing.T, plan string, signals ...os.Signal) (died bool) {
	t.Helper()
	journal := filepath.Join(w.dir, plan+".journal")
	const someLines = 4 * 130 // bytes, about; the run's own first line among them
	target := sizeOf(journal) + 1 + rand.N[int64](someLines)
	var said bytes.Buffer
	cmd := w.command(t.Context(), "migrate", "run", plan, "--concurrency", "2") // so that much is left for the next
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	over, err := grows(journal, target, ended)
	if !over {
		for _, signal := range signals {
			if err := cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
		err = <-ended
	}
	interrupted := exitCode(err) == exitInterrupted
	switch {
	case err == nil:
		return false
	case over, exitCode(err) != -1 && !interrupted: // -1: by the signal
		t.Fatalf("%v: %s", err, &said)
	case interrupted && !strings.Contains(said.String(), "to go on: vaultferry migrate run "+plan+" --concurrency 2\n"):
		t.Errorf("after an interrupt: %v: %s", err, &said)
	}
	return true
}

// grows waits until the file is so long, or the command is over before.
func grows(path string, target int64, ended <-chan error) (over bool, err error) {
	look := time.NewTicker(200 * time.Microsecond)
	defer look.Stop()
	for sizeOf(path) < target {
		select {
		case err := <-ended:
			return true, err
		case <-look.C:
		}
	}
	return false, nil
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// canaryForms are the ways in which a file could hold the word: as it is, in hex, and
// in base64 at each place of a group of three bytes.
var canaryForms = func() [][]byte {
	const word = "canary"
	forms := [][]byte{[]byte(word), []byte(hex.EncodeToString([]byte(word)))}
	for before := range 3 {
		whole := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + word))
		forms = append(forms, []byte(whole[(before*8+5)/6:(before+len(word))*8/6]))
	}
	return forms
}()

// findCanaries reads every byte that was written.
func (w *killWorld) findCanaries(t *testing.T) {
	t.Helper()
	files := w.findCanariesIn(t, ".")
	if !slices.Contains(files, ".journal") || !slices.Contains(files, ".plan") {
		t.Errorf("only %q were written", files)
	}
}

// findCanariesIn reads every byte below a folder, and returns how files end.
func (w *killWorld) findCanariesIn(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(w.dir, dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, form := range canaryForms {
			if bytes.Contains(b, form) {
				t.Errorf("%s tells a value, as %q", path, form)
			}
		}
		info, infoErr := d.Info()
		if infoErr == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		files = append(files, filepath.Ext(path))
		return errors.Join(err, infoErr)
	})
	if err != nil || len(files) == 0 {
		t.Errorf("%s: %q, %v", dir, files, err)
	}
	return files
}
