package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a terminal, and the end at which somebody types.
func terminal(t *testing.T) (screen, keys *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	return screen, keys
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return s.Lflag&unix.ECHO != 0
}

// whenAsked calls then once the prompt for a value stands there.
type whenAsked struct {
	said strings.Builder
	then func()
}

func (w *whenAsked) Write(b []byte) (int, error) {
	w.said.Write(b)
	if string(b) == "value: " {
		w.then()
	}
	return len(b), nil
}

// TestInterruptedPrompt: who leaves at the prompt gets back a terminal that
// shows what is typed.
func TestInterruptedPrompt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gw")
	a, _, errOut := testApp(strings.NewReader(""))
	if code := a.run(t.Context(), []string{"init", dir}); code != exitDone {
		t.Fatal(errOut)
	}
	screen, _ := terminal(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var hidden bool
	said := &whenAsked{then: func() {
		go func() {
			for !hidden && t.Context().Err() == nil {
				hidden = !echoes(t, screen)
			}
			interrupt()
		}()
	}}
	a, _, _ = testApp(screen)
	a.errOut = said
	code := a.run(ctx, []string{"set", "main", "db", "--config", filepath.Join(dir, "vaultferry.yaml")})
	if code != exitInterrupted || !hidden || !echoes(t, screen) {
		t.Errorf("exit code %d, hidden %v, shown again %v: %s", code, hidden, echoes(t, screen), said.said.String())
	}
}
