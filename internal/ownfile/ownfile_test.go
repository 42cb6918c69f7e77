//go:build unix

package ownfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLook: what others can write is dangerous, by whichever way they get there.
func TestLook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"safe": 0o600, "shown": 0o644, "shared": 0o660, "open": 0o666} {
		must(os.WriteFile(at(name), nil, 0o600))
		must(os.Chmod(at(name), mode))
	}
	for name, mode := range map[string]os.FileMode{"public": 0o777, "tmp": 0o777 | os.ModeSticky} {
		must(os.Mkdir(at(name), 0o700))
		must(os.Chmod(at(name), mode))
		must(os.WriteFile(at(name, "f"), nil, 0o600))
		must(os.Symlink("../"+name+"/f", at(name, "link")))
		must(os.Symlink(filepath.Join(name, "f"), at("to-"+name)))
	}
	must(os.Symlink("open", at("to-open")))
	must(os.Symlink(at("to-open"), at("to-to-open")))
	must(os.Symlink("loop", at("loop")))
	for name, want := range map[string]string{
		"safe": "", "shown": "", "absent": "", "loop": "", "tmp/f": "", "tmp/link": "", "to-tmp": "", ".": "",
		"shared": "a group can write", "open": "every user can write", "to-open": "every user can write", "to-to-open": "every user can write",
		"public/f": "the folder", "public/link": "the folder", "to-public": "the folder",
	} {
		d := Look(at(name))
		if (d == nil) != (want == "") || d != nil && (!strings.Contains(d.What, want) || d.Sure == (name == "shared")) {
			t.Errorf("%s: %+v, want %q", name, d, want)
		}
	}
}

// TestLookAtLinksOfOthers needs somebody else, so root.
func TestLookAtLinksOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes files of others")
	}
	dir := t.TempDir()
	file, link := filepath.Join(dir, "f"), filepath.Join(dir, "l")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if d := Look(link); d == nil || !d.Sure || !strings.Contains(d.What, "belongs to another user") {
		t.Errorf("a link of somebody else: %+v", d)
	}
	if err := os.Chown(file, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if d := Look(file); d == nil || d.Sure {
		t.Errorf("a file of somebody else: %+v", d)
	}
}

// TestExposed: nobody else can read what is ours alone, but for the group that
// root has handed a file to.
func TestExposed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode       os.FileMode
		handedOver bool
		want       bool
	}{
		{0o600, false, false},
		{0o400, false, false},
		{0o440, false, true},
		{0o604, false, true},
		{0o620, false, true},
		{0o440, true, false},
		{0o640, true, false},
		{0o660, true, true},
		{0o444, true, true},
	} {
		if got := exposed(c.mode, c.handedOver); got != c.want {
			t.Errorf("%04o, handed over %v: %v", c.mode, c.handedOver, got)
		}
	}
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o600, 0o640, 0o604} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := Exposed(f); (got != "") != (mode != 0o600) || got != "" && !strings.Contains(got, fmt.Sprintf("(mode %04o); chmod 600 it", mode)) {
			t.Errorf("a file of ours with mode %04o: %v", mode, got)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
