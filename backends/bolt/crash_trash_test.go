//go:build unix

package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/secret"
)

// The life of a name in the child, again and again. After step n of it the
// name is as life[n] says.
var life = []struct {
	do       func(ctx context.Context, s *bolt.Store, name secret.Name) error
	versions int
	trash    bool
	content  string // type of version 1
}{
	{putOne, 1, false, ""},
	{putOne, 2, false, ""},
	{mark, 2, false, "marked"},
	{toTrash, 2, true, "marked"},
	{fromTrash, 2, false, "marked"},
	{toTrash, 2, true, "marked"},
	{func(ctx context.Context, s *bolt.Store, name secret.Name) error { return s.Purge(ctx, name) }, 0, false, ""},
}

func putOne(ctx context.Context, s *bolt.Store, name secret.Name) error {
	_, err := s.Put(ctx, name, secret.Draft{Value: written(len(name), 5)})
	return err
}

func mark(ctx context.Context, s *bolt.Store, name secret.Name) error {
	marked := "marked"
	_, err := s.Update(ctx, name, secret.ByOrdinal(1), secret.Patch{ContentType: &marked})
	return err
}

func toTrash(ctx context.Context, s *bolt.Store, name secret.Name) error {
	_, err := s.Delete(ctx, name, time.Now().AddDate(0, 0, 7))
	return err
}

func fromTrash(ctx context.Context, s *bolt.Store, name secret.Name) error {
	_, err := s.Recover(ctx, name)
	return err
}

const livesOfChild = 12

// childTrashes is killed in the middle. Each writer prints "step WRITER N"
// after its step n, counted from 1.
func childTrashes(b backends.Backend) error {
	s, ok := b.(*bolt.Store)
	if !ok {
		return fmt.Errorf("the store is a %T", b)
	}
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		wg.Go(func() {
			for n := range livesOfChild * len(life) {
				if errs[w] = life[n%len(life)].do(context.Background(), s, writerName(w)); errs[w] != nil {
					return
				}
				_, _ = fmt.Fprintf(os.Stdout, "step %d %d\n", w, n+1)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// TestKillTrash: whatever moment the process is killed at, a secret is live,
// in the trash or gone as its last acknowledged step says, or the next one,
// and whole.
func TestKillTrash(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	killed := 0
	for range rounds {
		dir, keys := newFolder(t)
		cmd, out := start(t, "trash", dir)
		after := rand.IntN(writers * livesOfChild * len(life) * 8 / 10)
		var done [writers]int
		if readAndKill(t, cmd, out, after, func(t *testing.T, line string) {
			var w, n int
			if got, _ := fmt.Sscanf(line, "step %d %d", &w, &n); got != 2 {
				t.Fatalf("the child said %q", line)
			}
			done[w] = n
		}) {
			killed++
		}
		b := open(t, filepath.Join(dir, "s.db"), keys)
		for w, n := range done {
			verifyLife(t, b, writerName(w), n)
		}
		if t.Failed() {
			t.Fatalf("killed after %d lines", after)
		}
	}
	if killed < rounds*2/3 {
		t.Errorf("only %d of %d children were killed before they ended", killed, rounds)
	}
}

// verifyLife: one more step than was acknowledged may have become durable.
func verifyLife(t *testing.T, s *bolt.Store, name secret.Name, n int) {
	t.Helper()
	for _, steps := range []int{n, n + 1} {
		versions, trash, content := 0, false, ""
		if steps > 0 {
			l := life[(steps-1)%len(life)]
			versions, trash, content = l.versions, l.trash, l.content
		}
		if stands(t, s, name, versions, trash, content) {
			return
		}
	}
	t.Errorf("%q is neither as after step %d nor as after the next", name, n)
}

func stands(t *testing.T, s *bolt.Store, name secret.Name, versions int, trash bool, content string) bool {
	t.Helper()
	live, liveErr := s.Describe(t.Context(), name)
	dead, deadErr := s.DescribeTrash(t.Context(), name)
	for _, err := range []error{liveErr, deadErr} {
		if err != nil && !errors.Is(err, secret.NotFound) {
			t.Fatal(err)
		}
	}
	switch {
	case versions == 0:
		if live != nil || dead != nil {
			return false
		}
		if err := putOne(t.Context(), s, name); err != nil {
			t.Fatal(err)
		}
		versions = 1
	case trash:
		if live != nil || dead == nil || len(dead.Versions) != versions {
			return false
		}
		if err := fromTrash(t.Context(), s, name); err != nil {
			t.Fatal(err)
		}
	case live == nil || dead != nil:
		return false
	}
	got, err := s.Export(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Versions) != versions || got.Versions[0].ContentType != content {
		return false
	}
	for i := range got.Versions {
		if v := &got.Versions[i]; int(v.Ordinal) != i+1 || !v.Value.Equal(written(len(name), 5)) {
			t.Errorf("%q: place %d holds version %d, or not its value", name, i+1, v.Ordinal)
		}
	}
	return true
}
