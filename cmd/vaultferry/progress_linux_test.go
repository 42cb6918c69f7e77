package main

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestProgressOnATerminal: a bar shows how far it is, stands below what is said
// meanwhile, and is gone in the end.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	screen, keys := terminal(t)
	if err := unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 120}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := &app{out: &out, errOut: screen, now: time.Now, output: "text"}
	p := newProgress(a.now, 5)
	shows := bufio.NewReader(keys)
	var seen strings.Builder
	until := func(want string) {
		t.Helper()
		for from := seen.Len(); !strings.Contains(seen.String()[from:], want); {
			b, err := shows.ReadByte()
			if err != nil {
				t.Fatalf("%v, and nowhere %q in %q", err, want, seen.String()[from:])
			}
			seen.WriteByte(b)
		}
	}
	if err := a.whileShown(p, func() error {
		p.step(false)
		p.step(true)
		until("2 of 5 [")
		until("/s")
		until(", 1 failed")
		a.complain("secret two: failed")
		until("\x1b[31mvaultferry:\x1b[0m secret two: failed\r\n")
		until("2 of 5 [")
		for range 3 {
			p.step(false)
		}
		until("5 of 5 [")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if a.errOut != any(screen) || out.Len() > 0 {
		t.Errorf("afterwards standard error is %T, and standard output has %q", a.errOut, out.String())
	}
	a.complain("the end")
	until("the end\r\n")
	if last := seen.String()[strings.LastIndex(seen.String(), "5 of 5"):]; !strings.Contains(last, "\x1b[1A\x1b[J") {
		t.Errorf("the bar stays: %q", last)
	}
}

// TestProgressOnATerminalWithoutASize: what is said is not lost where there can be no bar.
func TestProgressOnATerminalWithoutASize(t *testing.T) {
	t.Parallel()
	screen, keys := terminal(t)
	a := &app{errOut: screen, now: time.Now, output: "text"}
	if err := a.whileShown(newProgress(a.now, 5), func() error {
		a.complain("one")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	a.complain("two")
	if got := read(t, keys, "two\r\n"); !strings.Contains(got, "one\r\n") {
		t.Errorf("%q", got)
	}
}

func read(t *testing.T, f *os.File, until string) string {
	t.Helper()
	var seen strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(seen.String(), until); {
		if _, err := f.Read(b); err != nil {
			t.Fatalf("%v: %q", err, seen.String())
		}
		seen.Write(b)
	}
	return seen.String()
}
