package postgrestest

import (
	_ "embed" // the library's source
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed testdata/diskfull.c
var diskFullSource []byte

// Disk is one whose room a test takes away from a server, and gives back: a library
// between the server and the C library, made by the test, answers ENOSPC to what makes
// files grow. A small file system would be no truer to the server, whose own code meets
// the error; but mounting one needs rights that a container may not have, and where it
// ends is a matter of luck.
type Disk struct {
	library, flag string
}

// NewDisk makes the library. See Options.Disk.
func NewDisk(tb testing.TB) *Disk {
	tb.Helper()
	compiler, err := exec.LookPath("gcc")
	if err != nil && os.Getenv("CI") != "true" {
		tb.Skip("gcc is not installed: run .ci/deps")
	}
	dir, err := os.MkdirTemp("", "pgdisk") // where another user gets
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // the server's user gets there
		tb.Fatal(err)
	}
	d := &Disk{filepath.Join(dir, "diskfull.so"), filepath.Join(dir, "full")}
	source := filepath.Join(dir, "diskfull.c")
	if err := os.WriteFile(source, diskFullSource, 0o600); err != nil {
		tb.Fatal(err)
	}
	if out, err := exec.CommandContext(tb.Context(), compiler, "-Wall", "-shared", "-fPIC", "-o", d.library, source, "-ldl").CombinedOutput(); err != nil { //nolint:gosec // it is the compiler
		tb.Fatalf("gcc: %v\n%s", err, out)
	}
	return d
}

func (d *Disk) env() []string {
	if d == nil {
		return nil
	}
	return []string{"LD_PRELOAD=" + d.library, "DISK_FULL=" + d.flag}
}

// Fill leaves no room to files whose paths hold the text.
func (d *Disk) Fill(tb testing.TB, text string) {
	tb.Helper()
	temp := d.flag + ".new" // whoever looks meanwhile sees all of it
	if err := os.WriteFile(temp, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(temp, d.flag); err != nil {
		tb.Fatal(err)
	}
}

// Free gives the room back.
func (d *Disk) Free(tb testing.TB) {
	tb.Helper()
	if err := os.Remove(d.flag); err != nil {
		tb.Fatal(err)
	}
}
