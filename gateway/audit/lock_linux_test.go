package audit

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// stoppedVariable names the file at which TestAStopIsNoForeignLock is the process
// that is stopped.
const stoppedVariable = "AUDIT_STOPPED"

// TestAStopIsNoForeignLock: a process that is stopped while it waits for the lock,
// for longer than it would wait, takes that for nobody's fault and writes its line.
func TestAStopIsNoForeignLock(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(stoppedVariable); path != "" {
		writeWhenTold(t, path)
		return
	}
	tr := newTrial(t, "g")
	must(t, tr.Close())
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), stoppedVariable+"="+tr.path)
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	_, err = lines.ReadString('\n') // the file is open
	must(t, err)
	foreign, err := os.Open(tr.path)
	must(t, err)
	must(t, osfile.Lock(foreign))
	_, err = io.WriteString(in, "\n")
	must(t, err)
	for end := time.Now().Add(20 * time.Second); !waits(t, cmd.Process.Pid); {
		if time.Now().After(end) {
			t.Skip("this system does not tell who waits for a lock")
		}
	}
	must(t, cmd.Process.Signal(syscall.SIGSTOP))
	<-time.After(lockTimeout + lockTimeout/4) // which it does not see go by
	must(t, foreign.Close())
	must(t, cmd.Process.Signal(syscall.SIGCONT))
	rest, err := io.ReadAll(lines)
	must(t, err)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, rest, said.Bytes())
	}
	if !slices.ContainsFunc(read(t, tr.path), func(e Entry) bool { return e.Op == "told" }) {
		t.Error("it wrote nothing")
	}
	unbroken(t, tr.path)
}

func writeWhenTold(t *testing.T, path string) {
	t.Helper()
	l, err := OpenWith(path, Options{Gateway: "g"})
	must(t, err)
	_, _ = fmt.Fprintln(os.Stdout)
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	must(t, err)
	must(t, l.Write(Entry{Op: "told"}, false))
	must(t, l.Close())
}

// waits reports whether the process waits for a lock of a file.
func waits(t *testing.T, pid int) bool {
	t.Helper()
	locks, err := os.ReadFile(filepath.Join("/proc", "locks"))
	must(t, err)
	waiting := regexp.MustCompile(fmt.Sprintf(`-> FLOCK +ADVISORY +WRITE +%d `, pid))
	return waiting.Match(locks)
}
