package coredump_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vaultferry/vaultferry/internal/coredump"
)

// childVariable makes the process of the test one that forbids it, and tells.
const childVariable = "COREDUMP_CHILD"

// TestForbid: the system writes no core dump of the process and lets no other user's
// program read it, unless GOTRACEBACK=crash asks for one.
func TestForbid(t *testing.T) {
	t.Parallel()
	if os.Getenv(childVariable) != "" {
		err := coredump.Forbid()
		var limit unix.Rlimit
		dumpable, dumpErr := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		limitErr := unix.Getrlimit(unix.RLIMIT_CORE, &limit)
		_, self := os.ReadFile("/proc/self/smaps")
		_, _ = fmt.Fprintln(os.Stdout, "told:", dumpable, limit.Cur, limit.Max, err, dumpErr, limitErr, self)
		return
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &before); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string]string{
		"GOTRACEBACK=all":   "told: 0 0 0 <nil> <nil> <nil> <nil>\n",
		"GOTRACEBACK=crash": fmt.Sprintf("told: 1 %d %d <nil> <nil> <nil> <nil>\n", before.Cur, before.Max),
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestForbid$")
		cmd.Env = append(os.Environ(), childVariable+"=1", env)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, want %q in\n%s", env, err, want, out)
		}
	}
}
