//go:build unix

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

const diskFullChild = "E2E_DISK_FULL"

// TestDiskFull: a bolt store whose disk is full refuses writes and restores in
// both vendors' words, changes nothing, reads on, and writes again when there
// is space. The limit holds for a whole process, so it is a child's.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if os.Getenv(diskFullChild) != "" {
		fillDisk(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), diskFullChild+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func fillDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ) // a full disk raises none either
	for _, c := range []struct {
		v            vendor
		status       int
		code         string
		put, restore func(i int) *exchange
	}{
		{
			azureWire{},
			503, "ServiceUnavailable",
			func(i int) *exchange {
				return &exchange{store: "extra", method: httpPut, path: "/secrets/big", body: `{"value":"` + big(i) + `"}`}
			},
			func(int) *exchange { return azInto("extra", nil, 503, "ServiceUnavailable", "", "") },
		},
		{
			huaweiWire{},
			502, "APIGW.0201",
			func(i int) *exchange {
				return &exchange{store: "extra", method: httpPost, path: "/secrets", body: fmt.Sprintf(`{"name":"big-%d","secret_string":"%s"}`, i, big(i))}
			},
			func(int) *exchange { return hwInto("extra", nil, 502, "APIGW.0201", "", "") },
		},
	} {
		path := filepath.Join(t.TempDir(), "s.db")
		b, err := bolt.Open(t.Context(), backends.Env{Store: "extra", Keys: gatewaytest.NewKeyring(t), Now: time.Now}, &bolt.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		w := newBadWorld(t, b)
		blob := c.restore(0).made(t, w)
		lift := limitFiles(t, 256<<10)
		n := 0
		var full *answer
		for ; n < 100 && full == nil; n++ {
			w.mark(t)
			if a := w.send(t, c.v, c.put(n), "HTTP/2.0", c.put(n).body); a.status != 200 {
				full = a
			}
		}
		if full == nil {
			t.Fatal("the disk never became full")
		}
		w.checkFull(t, c.v, full, c.status, c.code)
		for range 3 { // small gaps may take a small write, a big one never
			w.mark(t)
			w.checkFull(t, c.v, w.send(t, c.v, c.put(n), "HTTP/1.1", c.put(n).body), c.status, c.code)
		}
		if s, err := b.List(t.Context(), secret.Query{}); err != nil || len(s.Secrets) == 0 {
			t.Errorf("%s: a full disk is not read (%v)", c.v, err)
		}
		lift()
		if a := w.send(t, c.v, c.put(n+1), "HTTP/2.0", c.put(n+1).body); a.status != 200 {
			t.Errorf("%s: answers %d when there is space", c.v, a.status)
		}
		if a := w.send(t, c.v, c.restore(0), "HTTP/2.0", blob); a.status != 200 {
			t.Errorf("%s: a restore answers %d when there is space", c.v, a.status)
		}
	}
}

func (w *badWorld) checkFull(t *testing.T, v vendor, a *answer, status int, code string) {
	t.Helper()
	got := v.parse(t, a)
	if a.status != status || got.code != code {
		t.Errorf("%s answers %d %q: %s", v, a.status, got.code, got.message)
	}
	w.checkUnchanged(t)
	w.checkSilent(t, "the answer", string(a.body))
	w.checkSilent(t, "the log", w.log.String())
	lines := w.audit.Entries(t)[w.marked:]
	if len(lines) != 2 || lines[0].Phase != "intent" || lines[1].Result != "unavailable" {
		t.Errorf("%s: %d audit lines, the last %q", v, len(lines), lines[len(lines)-1].Result)
	}
}

func big(i int) string { return hush + strings.Repeat(fmt.Sprintf("%08d", i), 3000) }

// limitFiles lets no file grow beyond n bytes until it is lifted.
func limitFiles(t *testing.T, n uint64) (lift func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	now := before
	now.Cur = n
	set := func(r syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			t.Fatal(err)
		}
	}
	set(now)
	return func() { set(before) }
}
