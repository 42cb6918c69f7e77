package golden_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/golden"
)

// failures is a test that notes its failures.
type failures struct {
	testing.TB
	said []string
}

func (*failures) Helper() {}
func (f *failures) Errorf(format string, _ ...any) {
	f.said = append(f.said, format)
}

func TestCompare(t *testing.T) {
	t.Parallel()
	if golden.Updating() {
		return // there is nothing to compare
	}
	path := filepath.Join(t.TempDir(), "golden")
	if err := os.WriteFile(path, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for got, fails := range map[string]bool{"a\nb\n": false, "a\nB\n": true, "a\n": true, "a\nb\nc\n": true, "": true} {
		f := &failures{TB: t}
		golden.Compare(f, path, got)
		if fails != (len(f.said) == 1 && strings.Contains(f.said[0], "stale")) {
			t.Errorf("%q: %q", got, f.said)
		}
	}
}
