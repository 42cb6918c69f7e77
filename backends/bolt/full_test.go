//go:build unix

package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// childFills lets the disk become full twice: first where the file must grow,
// then where pages within it cannot be written. Each time it writes until that
// fails, proves that nothing changed, and goes on when there is space again.
// It prints how many writes were acknowledged.
func childFills(b backends.Backend) error {
	signal.Ignore(syscall.SIGXFSZ) // a full disk raises none either
	n := 0
	for _, limit := range []uint64{2 << 20, 64 << 10} {
		var err error
		if n, err = fullAndFree(b, n, limit); err != nil {
			return fmt.Errorf("at %d bytes: %w", limit, err)
		}
	}
	_, _ = fmt.Fprintln(os.Stdout, n)
	return nil
}

func fullAndFree(b backends.Backend, n int, limit uint64) (int, error) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return 0, err
	}
	full := before
	full.Cur = limit
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return 0, err
	}
	n, err := fillUp(b, n)
	err = errors.Join(err, unchanged(b, n), syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	for range 3 {
		n++
		err = errors.Join(err, putBig(b, n))
	}
	return n, errors.Join(err, unchanged(b, n))
}

// fillUp writes until there is no space and returns how many writes there are.
func fillUp(b backends.Backend, n int) (int, error) {
	for range 1000 {
		err := putBig(b, n+1)
		if err == nil {
			n++
			continue
		}
		if !errors.Is(err, secret.Unavailable) || !strings.Contains(secret.DetailOf(err), "no space") {
			return n, fmt.Errorf("a full disk gives the wrong error: %w", err)
		}
		return n, nil
	}
	return n, errors.New("the disk never became full")
}

func putBig(b backends.Backend, i int) error {
	_, err := b.Put(context.Background(), "s", secret.Draft{Value: bigValue(i)})
	return err
}

func bigValue(i int) secret.Value {
	return secret.TextValue(strings.Repeat(fmt.Sprintf("%08d", i), 12500))
}

func unchanged(b backends.Backend, n int) error {
	s, err := b.Export(context.Background(), "s")
	if err != nil {
		return err
	}
	if len(s.Versions) != n {
		return fmt.Errorf("%d versions, %d were acknowledged", len(s.Versions), n)
	}
	for i := range s.Versions {
		if !s.Versions[i].Value.Equal(bigValue(i + 1)) {
			return fmt.Errorf("version %d is damaged", i+1)
		}
	}
	return nil
}

// TestDiskFull: a write that finds no space says so and changes nothing; the
// store serves on, now and after it is opened again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir, keys := newFolder(t)
	cmd, out := start(t, "fill", dir)
	var n int
	_, scanErr := fmt.Fscan(out, &n)
	if err := cmd.Wait(); err != nil || scanErr != nil {
		t.Fatalf("the child failed: %v, %v", err, scanErr)
	}
	b := open(t, filepath.Join(dir, "s.db"), keys)
	if err := unchanged(b, n); err != nil {
		t.Error(err)
	}
	if err := putBig(b, n+1); err != nil {
		t.Error(err)
	}
}
