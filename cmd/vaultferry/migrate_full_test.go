package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// within runs a command that can write no file above so many blocks of 512 bytes, as
// on a disk that is full then.
func (w *killWorld) within(t *testing.T, blocks int, args ...string) (int, string) {
	t.Helper()
	cmd := w.command(t.Context(), args...)
	sh := w.command(t.Context())
	sh.Path, sh.Args = "/bin/sh", []string{"sh", "-c", fmt.Sprintf("trap '' XFSZ; ulimit -f %d; exec vaultferry \"$@\"", blocks), "sh"}
	sh.Args = append(sh.Args, cmd.Args[1:]...)
	out, err := sh.CombinedOutput()
	return exitCode(err), string(out)
}

// noRoom: where the journal cannot be written nothing more is done, and the same
// command goes on when there is room.
func (w *killWorld) noRoom(t *testing.T) {
	w.must(t, exitDone, "migrate", "plan", "--from", "memory-a/team/*", "--to", "memory-b", "--add-prefix", "full/", "--output-file", "full.plan")
	code, out := w.within(t, 4, "migrate", "run", "full.plan", "--concurrency", "2") // what writes both stores is another process
	if code != exitFailed || !strings.Contains(out, "the journal cannot be written, so nothing more is done") || !strings.Contains(out, "; to go on: vaultferry migrate run full.plan") {
		t.Errorf("exit code %d: %s", code, out)
	}
	w.finished(t, "full.plan", len(moved))
}

// noRoomForFiles: where a file of a move cannot be written whole, it is not there, nor
// a part of it, and the command says which it is.
func (w *killWorld) noRoomForFiles(t *testing.T) {
	w.must(t, exitDone, "migrate", "plan", "--from", "memory-a/team/*", "--to", "memory-b", "--add-prefix", "files/", "--output-file", "files.plan")
	w.must(t, exitDone, "migrate", "run", "files.plan")
	room := filepath.Join(w.dir, "room")
	if err := os.Mkdir(room, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"room.inventory": {"inventory", "memory-a", "--output-file"},
		"again.plan":     {"migrate", "plan", "--from", "memory-a/team/*", "--to", "memory-b", "--add-prefix", "again/", "--output-file"},
		"list.txt":       {"diff", "memory-a", "memory-b", "--list"},
		"room.report":    {"migrate", "report", "files.plan", "--output-file"},
		"room.prom":      {"migrate", "verify", "files.plan", "--metrics-file"},
	} {
		code, out := w.within(t, 0, append(args, filepath.Join("room", name))...) // what reads both stores is another process
		if code != exitFailed || !strings.Contains(out, name) || !strings.Contains(out, "file too large") || strings.Contains(out, ".vaultferry-") {
			t.Errorf("%s: exit code %d: %s", name, code, out)
		}
		left, err := os.ReadDir(room)
		if err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
}

// targetFull: a target that takes nothing more ends the run, and the same command
// goes on when there is room.
func (w *killWorld) targetFull(t *testing.T) {
	s, call := w.service(t, "memory-a")
	const large = 12
	for i := range large {
		d := secret.Draft{Value: secret.TextValue(strings.Repeat("canary", 4000))}
		if _, err := s.service.Put(t.Context(), call, gateway.Ref{Store: "memory-a", Name: secret.Name(fmt.Sprintf("large/%02d", i))}, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	lane := w.lane(t, "room")
	lane.must(t, exitDone, "migrate", "plan", "--from", "memory-a/large/*", "--to", "bolt-d", "--output-file", "room.plan")
	code, out := lane.within(t, 256, "migrate", "run", "room.plan", "--concurrency", "2")
	if code != exitFailed || !strings.Contains(out, "migrate run room.plan") {
		t.Errorf("exit code %d: %s", code, out)
	}
	lane.finished(t, "room.plan", large)
}

// targetDies: the gateway that holds the target is killed in the middle of a run.
func (w *killWorld) targetDies(t *testing.T) {
	lane := w.lane(t, "dies")
	lane.must(t, exitDone, "migrate", "plan", "--from", "vault-a", "--to", "bolt-c", "--add-prefix", "dies/", "--on-loss", "accept", "--output-file", "dies.plan")
	lane.file(t, "holder.yaml", strings.NewReplacer("audit.jsonl", "holder.audit.jsonl", "socket: s", "socket: h").Replace(commonConfig)+
		"  - { name: bolt-c, backend: bolt, bolt: { path: c.db } }\n")
	lane.file(t, "dies.yaml", strings.NewReplacer("audit.jsonl", "dies.audit.jsonl", "socket: s", "socket: h").Replace(commonConfig)+w.stores)
	_, holder := lane.start(t, "holder.yaml")
	journal := filepath.Join(w.dir, "dies.plan.journal")
	// So slowly that most is left, however late the kill comes.
	run := lane.command(t.Context(), "migrate", "run", "dies.plan", "--concurrency", "2", "--rate", "10/s")
	said := &strings.Builder{}
	run.Stdout, run.Stderr = said, said
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	if over, err := grows(journal, 1000, ended); over {
		t.Fatalf("%v: %s", err, said)
	}
	if err := holder.Kill(); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(<-ended); code != exitFailed || !strings.Contains(said.String(), "migrate run dies.plan") {
		t.Errorf("exit code %d: %s", code, said)
	}
	lane.finished(t, "dies.plan", len(moved))
}

// finished runs the plan to its end, as whoever reads the last line does.
func (w *killWorld) finished(t *testing.T, plan string, planned int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, plan+".journal"))
	if done := strings.Count(string(b), `"step":"done"`); err != nil || done == planned {
		t.Errorf("the run that ended early wrote %d of %d, %v", done, planned, err)
	}
	if out := w.must(t, exitDone, "migrate", "run", plan); !strings.Contains(out, fmt.Sprintf("of %d planned", planned)) {
		t.Errorf("the last run says %s", out)
	}
	w.proved(t, plan)
}
