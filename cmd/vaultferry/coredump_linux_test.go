package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestNoCoreDump: the system writes what a gateway has in its memory into no file.
func TestNoCoreDump(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	cmd := m.command("", "serve", "--address", "127.0.0.1:0")
	says, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	serves := false
	for lines := bufio.NewScanner(says); !serves && lines.Scan(); {
		serves = strings.Contains(lines.Text(), "msg=serving")
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
	if err != nil || !serves || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("it serves: %v, %v\n%s", serves, err, limits)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
