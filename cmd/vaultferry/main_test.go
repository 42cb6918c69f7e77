package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"vaultferry": func() { os.Exit(program()) },
	})
}

// The scripts read like the manual. Beside testscript's own commands they use:
//
//	exits CODE COMMAND...    runs it to the end and wants this exit code
//	start NAME REGEXP COMMAND...
//	                         runs it beside the script, waits for a line that
//	                         matches; its groups become $NAME_1, ...
//	crash NAME               SIGKILL
//	interrupt NAME CODE      SIGINT, and wants this exit code
//	hangup NAME REGEXP       SIGHUP, and waits for a line that matches
//	says NAME REGEXP         waits for a line that matches
//	mode WANT FILE...        permissions, as 0600
//	env-from VAR FILE REGEXP sets VAR to the first group
//	pasted FILE              every curl line that FILE shows, run by a shell
//	database                 starts PostgreSQL, and makes a database: $PGDSN, $PGDB
//	sql STATEMENT...         runs statements there as who may do everything
//	transit                  starts Vault, with a transit key: see cmdTransit
//	vault VERB...            shuts it, opens it, writes to it: see cmdVault
//	report-of KEYRING PLAN SOURCE TARGET AUDIT REPORT
//	                         signs a report of a move that is about these files
func TestScripts(t *testing.T) {
	db, vaults := &databases{t: t}, &transits{t: t}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("VAULTFERRY_ADMIN_ADDRESS", "127.0.0.1:0")
			e.Values[processesKey{}] = &processes{byName: map[string]*process{}}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "postgres" {
				return postgrestest.Installed(t), nil
			}
			return false, fmt.Errorf("there is no condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "start": cmdStart, "crash": cmdCrash, "interrupt": cmdInterrupt, "hangup": cmdHangup, "terminate": cmdTerminate, "says": cmdSays, "mode": cmdMode,
			"database": db.cmdDatabase, "sql": db.cmdSQL, "transit": vaults.cmdTransit, "vault": cmdVault,
			"env-from": cmdEnvFrom, "pasted": cmdPasted, "report-of": cmdReportOf,
		},
	})
}

func need(ts *testscript.TestScript, neg bool, args []string, n int) {
	if neg || len(args) < n {
		ts.Fatalf("wrong use of a script command: %q", args)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	if got := exitCode(ts.Exec(args[1], args[2:]...)); strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		if twice := saidTwice(strings.TrimSpace(line)); twice != "" {
			ts.Fatalf("the message says %q twice: %s", twice, line)
		}
	}
}

// saidTwice is the part of a message that stands in it once more; empty: none does. A
// message names its cause once.
func saidTwice(message string) string {
	const short = 16 // a word, or a name, may come again
	parts := strings.Split(message, ": ")
	for i, part := range parts {
		if len(part) > short && slices.Contains(parts[i+1:], part) {
			return part
		}
	}
	return ""
}

func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", file, got, args[0])
		}
	}
}

func cmdEnvFrom(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3)
	m := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) != 2 {
		ts.Fatalf("%s: nothing matches %s", args[1], args[2])
	}
	ts.Setenv(args[0], m[1])
}

func cmdPasted(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1)
	var lines []string
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if s := strings.TrimSpace(line); strings.HasPrefix(s, "curl ") {
			lines = append(lines, s)
		}
	}
	if len(lines) < 2 {
		ts.Fatalf("%s shows %d curl lines", args[0], len(lines))
	}
	ts.Check(ts.Exec("sh", "-e", "-c", strings.Join(lines, "\n")))
}

type processesKey struct{}

type processes struct {
	byName map[string]*process
	vault  *transitWorld
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	said bytes.Buffer
}

func running(ts *testscript.TestScript, name string) *process {
	p := ts.Value(processesKey{}).(*processes).byName[name]
	if p == nil {
		ts.Fatalf("nothing runs under the name %s", name)
	}
	return p
}

// startTimeout is generous: the machine may be busy.
const startTimeout = 5 * time.Minute

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3)
	name, want := args[0], regexp.MustCompile(args[1])
	cmd := exec.Command(find(ts, args[2]), args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, key := range []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR", "VAULTFERRY_CONFIG", "VAULTFERRY_ADMIN_ADDRESS", "CREDENTIALS_DIRECTORY", "VAULTFERRY_KEYRING"} {
		if value := ts.Getenv(key); value != "" {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
	}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	ts.Check(cmd.Start())
	p := &process{cmd: cmd, done: make(chan struct{})}
	ts.Value(processesKey{}).(*processes).byName[name] = p
	found := make(chan struct{})
	go func() {
		defer close(p.done) // all that it said is known then
		p.listen(r, want, found)
	}()
	go func() {
		_ = cmd.Wait() // its code is read from ProcessState
		_ = w.Close()
	}()
	ts.Defer(func() {
		_ = cmd.Process.Kill() // may have ended
		<-p.done
	})
	select {
	case <-found:
	case <-p.done: // perhaps right after it said it
	case <-time.After(startTimeout):
		ts.Fatalf("%s never said %s: %s", name, want, p.text())
	}
	groups := p.line(want)
	if groups == nil {
		ts.Fatalf("%s ended: %s", name, p.text())
	}
	for i, g := range groups[1:] {
		ts.Setenv(fmt.Sprintf("%s_%d", name, i+1), g)
	}
	ts.Check(os.WriteFile(ts.MkAbs(name+".out"), []byte(p.text()), 0o600))
}

// listen keeps what the process says, and closes found with the first line that is
// wanted.
func (p *process) listen(r io.Reader, want *regexp.Regexp, found chan<- struct{}) {
	for s := bufio.NewScanner(r); s.Scan(); {
		p.mu.Lock()
		p.said.WriteString(s.Text() + "\n")
		p.mu.Unlock()
		if found != nil && want.MatchString(s.Text()) {
			close(found)
			found = nil
		}
	}
}

// line finds the first line that is wanted, and its groups; nil: there is none.
func (p *process) line(want *regexp.Regexp) []string {
	for line := range strings.Lines(p.text()) {
		if m := want.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			return m
		}
	}
	return nil
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

func find(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); isFile(path) {
			return path
		}
	}
	ts.Fatalf("%s is not in PATH", name)
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func cmdCrash(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1)
	p := running(ts, args[0])
	ts.Check(p.cmd.Process.Kill())
	<-p.done
}

func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	ts.Check(running(ts, args[0]).cmd.Process.Signal(syscall.SIGHUP))
	cmdSays(ts, neg, args)
}

// cmdTerminate tells a process to end, and waits until it says so.
func cmdTerminate(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	ts.Check(running(ts, args[0]).cmd.Process.Signal(syscall.SIGTERM))
	cmdSays(ts, neg, args)
}

func cmdSays(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	p, want := running(ts, args[0]), regexp.MustCompile(args[1])
	for end := time.After(startTimeout); !want.MatchString(p.text()); {
		select {
		case <-p.done:
			if !want.MatchString(p.text()) {
				ts.Fatalf("%s ended: %s", args[0], p.text())
			}
		case <-end:
			ts.Fatalf("%s never said %s: %s", args[0], want, p.text())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2)
	p := running(ts, args[0])
	ts.Check(p.cmd.Process.Signal(syscall.SIGINT))
	<-p.done
	if got := p.cmd.ProcessState.ExitCode(); strconv.Itoa(got) != args[1] {
		ts.Fatalf("exit code %d, want %s: %s", got, args[1], p.text())
	}
}
