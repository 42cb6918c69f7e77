package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// stale leaves a socket that nobody listens on.
func stale(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	must(t, err)
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, ln.Close())
}

func (w *world) options(socket string) Options {
	return Options{Service: w.Service, Socket: socket, Log: slog.New(slog.DiscardHandler)}
}

func TestSocketIsPrivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if info, err := os.Lstat(w.socket()); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestSocketIsTaken: a live one by nobody, a stale one by the next.
func TestSocketIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := Listen(t.Context(), w.options(w.socket())); !errors.Is(err, ErrLive) {
		t.Errorf("a live one: %v", err)
	}
	if err := w.client.Check(t.Context(), "main"); err != nil {
		t.Errorf("and it answers on: %v", err)
	}
	path := filepath.Join(w.dir, "other.sock")
	stale(t, path)
	s, err := Listen(t.Context(), w.options(path))
	must(t, err)
	must(t, s.Close())
	must(t, os.WriteFile(path, []byte("mine"), 0o600))
	if _, err := Listen(t.Context(), w.options(path)); err == nil || !strings.Contains(err.Error(), "in the way, and is not a socket") {
		t.Errorf("a file: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("it is not left alone: %q, %v", b, err)
	}
	if _, err := Listen(t.Context(), w.options(filepath.Join(w.dir, "no", "s"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// TestSocketOfAnother: Close removes its own alone.
func TestSocketOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(w.dir, "other.sock")
	s, err := Listen(t.Context(), w.options(path))
	must(t, err)
	must(t, os.Remove(path))
	second, err := Listen(t.Context(), w.options(path))
	must(t, err)
	must(t, s.Close())
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the second one's socket is gone: %v", err)
	}
	must(t, second.Close())
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
}

// TestOneTakesIt: of many gateways that start at once over a stale socket, one
// gets it.
func TestOneTakesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(w.dir, "other.sock")
	stale(t, path)
	const many = 8
	got := make(chan error, many)
	for range many {
		go func() {
			s, err := Listen(t.Context(), w.options(path))
			if s != nil {
				t.Cleanup(func() { _ = s.Close() })
			}
			got <- err
		}()
	}
	took := 0
	for range many {
		if err := <-got; err == nil {
			took++
		} else if !errors.Is(err, ErrLive) {
			t.Error(err)
		}
	}
	if took != 1 {
		t.Errorf("%d took it", took)
	}
}

// TestFolderIsHeld: whoever may read the folder can lock it, and keeps no
// gateway from its socket.
func TestFolderIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir, err := os.Open(w.dir)
	must(t, err)
	defer func() { _ = dir.Close() }()
	must(t, syscall.Flock(int(dir.Fd()), syscall.LOCK_EX))
	path := filepath.Join(w.dir, "other.sock")
	stale(t, path)
	s, err := Listen(t.Context(), w.options(path))
	must(t, err)
	must(t, s.Close())
	ctx, cancel := context.WithTimeout(t.Context(), lockPoll)
	defer cancel()
	if _, err := Listen(ctx, w.options(path)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one who is told to end meanwhile: %v", err)
	}
}

// TestLongPaths: a path longer than an address works where it can, and is said
// where it cannot.
func TestLongPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(w.dir, strings.Repeat("long", 30))
	must(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "vaultferry.sock")
	if runtime.GOOS != "linux" {
		if err := CheckPath(path); err == nil || !strings.Contains(err.Error(), "choose a shorter path") {
			t.Errorf("%v", err)
		}
		return
	}
	must(t, CheckPath(path))
	s, err := Listen(t.Context(), w.options(path))
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	c, err := Connect(t.Context(), path)
	must(t, err)
	if c.Status().Gateway != w.Gateway() {
		t.Errorf("%+v", c.Status())
	}
	if _, err := Listen(t.Context(), w.options(path)); !errors.Is(err, ErrLive) {
		t.Errorf("a live one: %v", err)
	}
	must(t, c.Close())
	must(t, errors.Join(s.Close(), <-ended))
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	name := filepath.Join(dir, strings.Repeat("n", 100))
	if err := CheckPath(name); err == nil || !strings.Contains(err.Error(), fmt.Sprint(len(name))) {
		t.Errorf("a long name: %v", err)
	}
	if _, err := Listen(t.Context(), w.options(name)); err == nil {
		t.Error("a long name is listened on")
	}
}
