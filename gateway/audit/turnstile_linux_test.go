package audit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// partyVariable makes the process of a test one that writes to an audit when it is
// told: the file, the id of the gateway, and how long it waits.
const partyVariable = "AUDIT_PARTY"

// party is such a process. Its leases end when it is told.
type party struct {
	t    *testing.T
	name string
	path string
	cmd  *exec.Cmd
	in   io.Writer
	out  *bufio.Scanner
}

// newParty starts a gateway, or a command if gateway is empty. The test's function
// must begin with isParty.
func newParty(t *testing.T, path, name, gateway string, wait time.Duration) *party {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), partyVariable+"="+strings.Join([]string{path, gateway, wait.String()}, "|"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p := &party{t, name, path, cmd, in, bufio.NewScanner(out)}
	p.hears("open")
	return p
}

// tell has it write a line of its name; "again": after its lease has ended.
func (p *party) tell(what string) {
	p.t.Helper()
	_, err := fmt.Fprintln(p.in, what, p.name)
	must(p.t, err)
}

func (p *party) hears(want string) {
	p.t.Helper()
	if !p.out.Scan() || p.out.Text() != want {
		p.t.Fatalf("%s: %q, want %q", p.name, p.out.Text(), want)
	}
}

// leaves ends its lease.
func (p *party) leaves() {
	p.t.Helper()
	p.tell("leave")
	p.hears("done")
}

// stands waits until the process waits for the lock itself: it is through the
// turnstiles.
func (p *party) stands() {
	p.t.Helper()
	awaitLocks(p.t, fmt.Sprintf(`-> FLOCK +ADVISORY +WRITE +%d `, p.cmd.Process.Pid))
}

// stopped waits until every thread of the process has been stopped.
func (p *party) stopped() {
	p.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "task", "*", "stat"))
		must(p.t, err)
		runs := ""
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			must(p.t, err)
			if _, rest, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(rest, "T") {
				runs = string(stat)
			}
		}
		switch {
		case runs == "":
			return
		case time.Now().After(end):
			p.t.Fatalf("%s was not stopped: %s", p.name, runs)
		}
	}
}

// queued waits until somebody waits for that byte of the file.
func (p *party) queued(at int64) {
	p.t.Helper()
	info, err := os.Stat(p.path)
	must(p.t, err)
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		p.t.Fatal("no inode")
	}
	awaitLocks(p.t, fmt.Sprintf(`-> OFDLCK +ADVISORY +WRITE +\S+ \S+:%d %d %d\b`, st.Ino, at, at))
}

func awaitLocks(t *testing.T, pattern string) {
	t.Helper()
	want := regexp.MustCompile(pattern)
	for end := time.Now().Add(2 * time.Minute); ; {
		locks, err := os.ReadFile(filepath.Join("/proc", "locks"))
		must(t, err)
		switch {
		case want.Match(locks):
			return
		case time.Now().After(end):
			t.Fatalf("nobody waits as %s:\n%s", pattern, locks)
		}
	}
}

// isParty does what a party is told, in its process.
func isParty(t *testing.T) bool {
	t.Helper()
	given := os.Getenv(partyVariable)
	if given == "" {
		return false
	}
	field := strings.Split(given, "|")
	wait, err := time.ParseDuration(field[2])
	must(t, err)
	l, err := OpenWith(field[0], Options{Gateway: field[1], LockWait: wait})
	must(t, err)
	l.shared.mu.Lock()
	l.shared.lease = time.Hour
	l.shared.mu.Unlock()
	endLease(l.shared)
	_, _ = fmt.Fprintln(os.Stdout, "open")
	told := bufio.NewScanner(os.Stdin)
	for told.Scan() {
		what, name, _ := strings.Cut(told.Text(), " ")
		if what != "write" {
			endLease(l.shared)
		}
		if what != "leave" {
			must(t, l.Write(Entry{Op: name}, false))
		}
		_, _ = fmt.Fprintln(os.Stdout, "done")
	}
	must(t, l.Close())
	return true
}

// foreignLock is the lock of the file in other hands, until free is called.
func foreignLock(t *testing.T, path string) (free func()) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	must(t, osfile.Lock(f))
	t.Cleanup(func() { _ = f.Close() })
	return func() { must(t, f.Close()) }
}

// wantLines are the names of who wrote, in their order.
func wantLines(t *testing.T, path, want string) {
	t.Helper()
	var have []string
	for _, e := range read(t, path) {
		if e.Op != OpCheckpoint {
			have = append(have, e.Op)
		}
	}
	if got := strings.Join(have, " "); got != want {
		t.Errorf("wrote %s; want %s", got, want)
	}
	unbroken(t, path)
}

// TestWhoStandsThereIsNext: whoever wants the lock has it when who has it gives it
// back, however quick that one is to want it again, a command as well as a gateway.
func TestWhoStandsThereIsNext(t *testing.T) {
	if isParty(t) {
		return
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a := newParty(t, path, "a", "g", time.Hour)
	b := newParty(t, path, "b", "", time.Hour)
	want := []string{"a"}
	a.tell("write")
	a.hears("done")
	b.tell("write")
	b.stands()
	for range 20 {
		a.tell("again")
		b.hears("done")
		want = append(want, b.name)
		a.stands()
		a, b = b, a
	}
	a.leaves()
	b.hears("done")
	wantLines(t, path, strings.Join(append(want, b.name), " "))
}

// TestCommandsTakeTurnsApart: a gateway waits for one lease of a command, however many
// of them there are, and commands have theirs in the order in which they came.
func TestCommandsTakeTurnsApart(t *testing.T) {
	if isParty(t) {
		return
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	g := newParty(t, path, "g", "g", time.Hour)
	var commands []*party
	for i := range 3 {
		commands = append(commands, newParty(t, path, fmt.Sprint("c", i), "", time.Hour))
	}
	free := foreignLock(t, path)
	for i, c := range commands {
		c.tell("write")
		switch i {
		case 0:
			c.stands()
		case 1:
			c.queued(foremost)
		default:
			c.queued(commandTurnstile)
		}
	}
	g.tell("write")
	g.queued(turnstile)
	free()
	for i, c := range commands {
		c.hears("done")
		g.stands() // it waits from the command's lease on, or before
		c.leaves()
		g.hears("done")
		if i+1 < len(commands) {
			commands[i+1].stands()
			g.tell("again")
		}
	}
	wantLines(t, path, "c0 g c1 g c2 g")
}

// TestWhoDiesLosesHisPlace and nobody else: before the lock, with it, and at a
// turnstile.
func TestWhoDiesLosesHisPlace(t *testing.T) {
	if isParty(t) {
		return
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	g := newParty(t, path, "g", "g", time.Hour)
	var c []*party
	for i := range 4 {
		c = append(c, newParty(t, path, fmt.Sprint("c", i), "", time.Hour))
	}
	kill := func(p *party) { must(t, p.cmd.Process.Kill()) }
	g.tell("write")
	g.hears("done")
	c[0].tell("write")
	c[0].stands()
	c[1].tell("write")
	c[1].queued(foremost)
	c[2].tell("write")
	c[2].queued(commandTurnstile)
	kill(c[0]) // before the lock, which g has
	c[1].stands()
	c[2].queued(foremost)
	c[3].tell("write")
	c[3].queued(commandTurnstile)
	kill(g) // with the lock
	c[1].hears("done")
	kill(c[2]) // at the turnstile
	c[3].queued(foremost)
	kill(c[1])
	c[3].hears("done")
	wantLines(t, path, "g c1 c3")
}

// TestWhoStopsKeepsNobody: a command that its user has stopped while it stood at the
// turnstile does not keep the gateway from writing, and has its turn when it goes on.
func TestWhoStopsKeepsNobody(t *testing.T) {
	if isParty(t) {
		return
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	g := newParty(t, path, "g", "g", 400*time.Millisecond)
	c := newParty(t, path, "c", "", time.Hour)
	free := foreignLock(t, path)
	c.tell("write")
	c.stands()
	must(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	c.stopped()
	free()
	for range 3 {
		g.tell("again")
		g.hears("done")
	}
	must(t, c.cmd.Process.Signal(syscall.SIGCONT))
	g.leaves()
	c.hears("done")
	c.leaves()
	g.tell("write")
	g.hears("done")
	wantLines(t, path, "g g g c g")
}
