//go:build unix

package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// childEnv makes the test binary a writer instead: "MODE FOLDER".
const childEnv = "VAULTFERRY_BOLT_CHILD"

func TestMain(m *testing.M) {
	mode, dir, ok := strings.Cut(os.Getenv(childEnv), " ")
	if !ok {
		code := m.Run()
		bolt.AtExit()
		os.Exit(code)
	}
	var err error
	if op := strings.Split(mode, ":"); op[0] == "replace" {
		err = childReplaces(dir, op[1], op[2])
	} else {
		err = child(dir, map[string]func(backends.Backend) error{"write": childWrites, "fill": childFills, "trash": childTrashes}[mode])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func keysIn(dir string) (*backup.Keyring, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "keyring.json"))
	if err != nil {
		return nil, err
	}
	return backup.ParseKeyring(raw)
}

func child(dir string, run func(backends.Backend) error) error {
	keys, err := keysIn(dir)
	if err != nil {
		return err
	}
	b, err := bolt.Open(context.Background(), backends.Env{Store: "s", Keys: keys}, &bolt.Config{Path: filepath.Join(dir, "s.db")})
	if err != nil {
		return err
	}
	return errors.Join(run(b), b.Close())
}

// newFolder holds a keyring and will hold the store of a child.
func newFolder(t *testing.T) (dir string, keys *backup.Keyring) {
	t.Helper()
	dir = t.TempDir()
	keys, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := keys.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "keyring.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, keys
}

func start(t *testing.T, mode, dir string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+mode+" "+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

const (
	writers       = 8
	writesOfChild = 1000
)

func writerName(w int) secret.Name { return secret.Name(fmt.Sprintf("writer-%d", w)) }

// written is the value of one write: another for each, of 0 to 4 KB and more.
func written(w, i int) secret.Value {
	return secret.TextValue(strings.Repeat(fmt.Sprintf("%d:%d ", w, i), (i*37)%600))
}

// childWrites is killed in the middle. It continues where the child before it
// stopped, and prints "put WRITER ORDINAL" or "import NAME" after each write.
func childWrites(b backends.Backend) error {
	ctx := context.Background()
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		last, err := lastVersion(ctx, b, writerName(w))
		if err != nil {
			return err
		}
		wg.Go(func() { errs[w] = writeOn(ctx, b, w, last) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func writeOn(ctx context.Context, b backends.Backend, w, last int) error {
	for i := last + 1; i <= last+writesOfChild/writers; i++ {
		s, err := b.Put(ctx, writerName(w), secret.Draft{Value: written(w, i)})
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(os.Stdout, "put %d %d\n", w, s.Versions[0].Ordinal)
		if i%10 == 0 {
			name := secret.Name(fmt.Sprintf("import-%d-%d", w, i))
			if _, err := b.Import(ctx, backendtest.Sample(name), ""); err != nil && !errors.Is(err, secret.AlreadyExists) {
				return err
			}
			_, _ = fmt.Fprintf(os.Stdout, "import %s\n", name)
		}
	}
	return nil
}

func lastVersion(ctx context.Context, b backends.Backend, name secret.Name) (int, error) {
	s, err := b.Describe(ctx, name)
	if errors.Is(err, secret.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return int(s.Newest().Ordinal), nil
}

// TestKill: whatever moment the process is killed at, every acknowledged write
// is there, whole and in order, and no half of one.
//
// It proves nothing about power loss: the system's page cache outlives the
// process. That is the fsync which bbolt makes and this store never turns off.
func TestKill(t *testing.T) {
	t.Parallel()
	files, rounds := 3, 5
	if testing.Short() {
		files, rounds = 1, 3
	}
	killed := 0
	for range files {
		killed += killRounds(t, rounds)
	}
	if all := files * rounds; killed < all*2/3 {
		t.Errorf("only %d of %d children were killed before they ended", killed, all)
	}
}

// killRounds kills one child after the other over one file, and returns how
// many it killed in time.
func killRounds(t *testing.T, rounds int) (killed int) {
	t.Helper()
	dir, keys := newFolder(t)
	acks := acknowledged{imports: map[secret.Name]bool{}, verified: map[secret.Name]bool{}}
	for round := range rounds {
		if round == rounds-1 {
			clear(acks.verified) // in the end all is read once more
		}
		cmd, out := start(t, "write", dir)
		after := rand.IntN(writesOfChild * 9 / 10)
		if readAndKill(t, cmd, out, after, acks.note) {
			killed++
		}
		acks.verify(t, filepath.Join(dir, "s.db"), keys)
		if t.Failed() {
			t.Fatalf("killed after %d lines", after)
		}
	}
	t.Logf("%d children killed; %d writes acknowledged by each writer, %d imports", killed, acks.last, len(acks.imports))
	return killed
}

// acknowledged is what the children said, all rounds together.
type acknowledged struct {
	last    [writers]int
	imports map[secret.Name]bool
	// verified are the imports that an earlier round found whole.
	verified map[secret.Name]bool
}

// readAndKill reads what the child says, kills it after so many lines, and
// reads what it had said by then. It reports whether the kill came in time.
func readAndKill(t *testing.T, cmd *exec.Cmd, out io.Reader, after int, note func(*testing.T, string)) bool {
	t.Helper()
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		note(t, lines.Text())
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err == nil {
		return false
	}
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the child failed by itself: %v", err)
	}
	return true
}

func (a *acknowledged) note(t *testing.T, line string) {
	t.Helper()
	var w, o int
	var name string
	if n, _ := fmt.Sscanf(line, "put %d %d", &w, &o); n == 2 {
		a.last[w] = o
	} else if n, _ := fmt.Sscanf(line, "import %s", &name); n == 1 {
		a.imports[secret.Name(name)] = true
	} else {
		t.Fatalf("the child said %q", line)
	}
}

func (a *acknowledged) verify(t *testing.T, path string, keys backends.KeyWrapper) {
	t.Helper()
	b := open(t, path, keys)
	for w, last := range a.last {
		verifyWriter(t, b, w, last)
	}
	listed := map[secret.Name]bool{}
	for q := (secret.Query{}); ; {
		p, err := b.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Secrets {
			listed[s.Name] = true
		}
		if q.After = p.Next; q.After == "" {
			break
		}
	}
	for name := range a.imports {
		if !listed[name] {
			t.Errorf("%q was acknowledged and is not there", name)
		}
	}
	for name := range listed {
		if !strings.HasPrefix(string(name), "import-") || a.verified[name] {
			continue
		}
		a.verified[name] = true
		got, err := b.Export(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		backendtest.Compare(t, backendtest.Sample(name), got, nil)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func verifyWriter(t *testing.T, b backends.Backend, w, last int) {
	t.Helper()
	s, err := b.Export(t.Context(), writerName(w))
	if errors.Is(err, secret.NotFound) && last == 0 {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	n := len(s.Versions)
	if n != last && n != last+1 { // one may have been durable and not yet said
		t.Errorf("writer %d was told of %d writes, %d are there", w, last, n)
	}
	for i := range s.Versions {
		v := &s.Versions[i]
		if int(v.Ordinal) != i+1 || !v.Value.Equal(written(w, i+1)) {
			t.Errorf("writer %d: place %d holds version %d, or not its value", w, i+1, v.Ordinal)
		}
		if i > 0 && !v.Created.After(s.Versions[i-1].Created) {
			t.Errorf("writer %d: version %d is no later than the one before", w, v.Ordinal)
		}
	}
	if int(s.Current) != n || int(s.Previous) != n-1 {
		t.Errorf("writer %d: current %d and previous %d of %d versions", w, s.Current, s.Previous, n)
	}
}

// TestCreateTogether: processes that make one store at once agree on one.
func TestCreateTogether(t *testing.T) {
	t.Parallel()
	dir, keys := newFolder(t)
	path := filepath.Join(dir, "s.db")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := secret.Name(fmt.Sprint("s", i))
			deadline := time.Now().Add(20 * time.Second)
			for time.Now().Before(deadline) {
				b, err := tryOpen(t, path, keys)
				if errors.Is(err, secret.Unavailable) { // held
					continue
				}
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				_, err = b.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("x")})
				if err := errors.Join(err, b.Close()); err != nil {
					t.Error(err)
				}
				return
			}
			t.Error("the store was never free")
		})
	}
	wg.Wait()
	p, err := open(t, path, keys).List(t.Context(), secret.Query{})
	if err != nil || len(p.Secrets) != 4 {
		t.Errorf("%d secrets after 4 creators, %v", len(p.Secrets), err)
	}
}
