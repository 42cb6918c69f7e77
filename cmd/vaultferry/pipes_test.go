//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipes: a pipe that nobody writes into, in the place of any file that somebody
// names, holds no command once it is interrupted. What is read more than once is never a
// pipe.
func TestPipes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pipe string
		args []string
	}{
		"a value":               {"pipe", []string{"set", "a", "db", "--file", "pipe"}},
		"a backup":              {"pipe", []string{"restore", "a", "pipe"}},
		"the configuration":     {"vaultferry.yaml", []string{"list", "a"}},
		"the keyring":           {"keyring.json", []string{"keys", "list"}},
		"a named configuration": {"other.yaml", []string{"check", "--config", "other.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPipeWorld(t)
			w.pipe(t, c.pipe)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			code := make(chan int, 1)
			a, out, errOut := testApp(strings.NewReader(""))
			go func() { code <- a.run(ctx, w.args(c.args)) }()
			f, err := os.OpenFile(filepath.Join(w.dir, c.pipe), os.O_WRONLY, 0) // once it is read
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			got := <-code
			if err := f.Close(); err != nil { // who is left behind goes
				t.Fatal(err)
			}
			if got != exitInterrupted {
				t.Errorf("exit code %d, want %d: %s%s", got, exitInterrupted, out, errOut)
			}
		})
	}
	for name, args := range map[string][]string{
		"a plan":      {"migrate", "show", "pipe"},
		"to run":      {"migrate", "run", "pipe"},
		"inventories": {"diff", "pipe", "pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newPipeWorld(t)
			w.pipe(t, "pipe")
			a, out, errOut := testApp(strings.NewReader(""))
			if got := a.run(t.Context(), w.args(args)); got != exitUsage || !strings.Contains(errOut.String(), "it is no regular file: name a file") {
				t.Errorf("exit code %d, want %d: %s%s", got, exitUsage, out, errOut)
			}
		})
	}
}

type pipeWorld struct{ dir string }

func newPipeWorld(t *testing.T) *pipeWorld {
	t.Helper()
	w := &pipeWorld{t.TempDir()}
	if err := os.WriteFile(filepath.Join(w.dir, "vaultferry.yaml"), []byte(commonConfig+"  - { name: a, backend: bolt, bolt: { path: a.db } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, out, errOut := testApp(strings.NewReader(""))
	if code := a.run(t.Context(), w.args([]string{"keys", "new", "--output-file", "keyring.json"})); code != exitDone {
		t.Fatalf("exit code %d: %s%s", code, out, errOut)
	}
	return w
}

// pipe puts a pipe in the place of a file.
func (w *pipeWorld) pipe(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// args has the names of files lead into the folder.
func (w *pipeWorld) args(words []string) []string {
	all := []string{}
	named := false
	for _, word := range words {
		if word == "pipe" || strings.Contains(word, ".") {
			word = filepath.Join(w.dir, word)
		}
		named = named || word == "--config"
		all = append(all, word)
	}
	if !named {
		all = append(all, "--config", filepath.Join(w.dir, "vaultferry.yaml"))
	}
	return all
}
