package ownfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestMake: what is made is its user's alone before anything is written, in a folder
// that others may read, and is no other file of that name.
func TestMake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "f")
	f, err := Make(file)
	if err != nil {
		t.Fatal(err)
	}
	if why := Exposed(f); why != "" {
		t.Errorf("it is made for others, too: %s", why)
	}
	if _, err := f.WriteString("canary"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Make(file); !errors.Is(err, os.ErrExist) {
		t.Errorf("made once more: %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "canary" {
		t.Errorf("it holds %q, %v", b, err)
	}
}
