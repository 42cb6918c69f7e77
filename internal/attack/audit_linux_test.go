package attack

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func (x *target) auditFile() string { return filepath.Join(x.dir, "audit.jsonl") }

// verifies wants the audit whole, as the program's own command judges.
func (x *target) verifies(t *testing.T, want bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), x.command[len(x.command)-1], "audit", "verify", "--config", filepath.Join(x.dir, "vaultferry.yaml"))
	cmd.Env = x.env()
	out, err := cmd.CombinedOutput()
	if whole := err == nil; whole != want {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
}

func (x *target) set(t testing.TB, host, name, value string) (code int, body string) {
	t.Helper()
	return do(t, x.from(t, honest), x.at(t, host, "PUT", "/secrets/"+name, appToken, strings.NewReader(`{"value":"`+value+`"}`)))
}

// TestLongHistories: a restore that tells of thousands of versions, and is
// refused, makes no line that the gateway stumbles over.
func TestLongHistories(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, honest)
	for range 1500 {
		if code, body := do(t, client, x.azure(t, "PUT", "/secrets/long", appToken, strings.NewReader(`{"value":"v"}`))); code != http.StatusOK {
			t.Fatal(code, body)
		}
	}
	code, blob := do(t, client, x.azure(t, "POST", "/secrets/long/backup", appToken, http.NoBody))
	if code != http.StatusOK {
		t.Fatal(code, blob)
	}
	for _, host := range []string{"narrow.vault.localhost", vaultHost} {
		if code, body := do(t, client, x.at(t, host, "POST", "/secrets/restore", appToken, strings.NewReader(blob))); code < 400 || code >= 500 {
			t.Errorf("%s: %d %s", host, code, body)
		}
	}
	x.serves(t, honest, "after")
	text, err := os.ReadFile(x.auditFile())
	must(t, err)
	for line := range bytes.Lines(text) {
		if len(line) > 64<<10 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
	x.end(os.Kill) // the refused restore's line may be the last one
	x.run(t)
	x.serves(t, honest, "again")
	x.verifies(t, true)
}

// TestDamagedAudit: whatever is done to the file of the audit while the gateway
// runs, it says so, serves on, and verify finds it.
func TestDamagedAudit(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string, text []byte) error{
		"cut": func(p string, b []byte) error {
			return os.Truncate(p, int64(bytes.LastIndexByte(b[:len(b)-1], '\n')+1))
		},
		"emptied":      func(p string, _ []byte) error { return os.Truncate(p, 0) },
		"copytruncate": func(p string, b []byte) error { return copyTruncate(p, b) },
		"deleted":      func(p string, _ []byte) error { return os.Remove(p) },
		"replaced":     func(p string, b []byte) error { return replace(p, b[:len(b)/2]) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := start(t, extra{})
			x.serves(t, honest, "before")
			text, err := os.ReadFile(x.auditFile())
			must(t, err)
			must(t, damage(x.auditFile(), text))
			x.serves(t, honest, "after")
			eventually(t, "the gateway says it", func() bool { return strings.Contains(x.log.text(), "THE AUDIT WAS DAMAGED") })
			x.end(syscall.SIGTERM)
			x.verifies(t, false)
		})
	}
}

func copyTruncate(path string, text []byte) error {
	if err := os.WriteFile(path+".1", text, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}

func replace(path string, text []byte) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// TestForeignLock: who locks the file of the audit holds up no call for long,
// and none goes without its line.
func TestForeignLock(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	f, err := os.Open(x.auditFile())
	must(t, err)
	defer func() { _ = f.Close() }()
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	began := time.Now()
	if code, body := x.set(t, vaultHost, "meanwhile", "v"); code < 500 {
		t.Errorf("a call without its line: %d %s", code, body)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_UN))
	eventually(t, "calls are served again", func() bool { code, _ := x.set(t, vaultHost, "after", "v"); return code == http.StatusOK })
	x.end(syscall.SIGTERM)
	x.verifies(t, true)
}

// TestKilled: of a gateway that is killed under load no answered write lacks
// its line, and the chain goes on behind what was cut short.
func TestKilled(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	answered := make(chan string, 10_000)
	for range 3 {
		var all sync.WaitGroup
		running := make(chan struct{}, 1)
		for w := range 8 {
			all.Go(func() {
				client := x.from(t, honest)
				for i := range 10_000 {
					name := fmt.Sprintf("n-%d-%d-%d", x.pid, w, i)
					resp, err := client.Do(x.azure(t, "PUT", "/secrets/"+name, appToken, strings.NewReader(`{"value":"v"}`)))
					if err != nil {
						return // it was killed
					}
					_ = resp.Body.Close()
					answered <- name
					if i == 20 {
						select {
						case running <- struct{}{}:
						default:
						}
					}
				}
			})
		}
		<-running
		x.end(os.Kill)
		all.Wait()
		x.run(t)
	}
	x.serves(t, honest, "after")
	x.end(syscall.SIGTERM)
	x.verifies(t, true)
	text, err := os.ReadFile(x.auditFile())
	must(t, err)
	close(answered)
	for name := range answered {
		if !bytes.Contains(text, []byte(`"name":"`+name+`"`)) {
			t.Errorf("no line tells of %s, which was answered", name)
		}
	}
}

// TestFullDisk: while a line cannot be written no call is answered as done. When
// there is room again the gateway goes on by itself, and the audit is whole.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	size := func(most uint64) {
		must(t, unix.Prlimit(x.pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: most, Max: unix.RLIM_INFINITY}, nil))
	}
	info, err := os.Stat(x.auditFile())
	must(t, err)
	size(uint64(info.Size()) + 500) // it ends in the midst of a line
	refused := 0
	for i := range 20 {
		if code, _ := x.set(t, vaultHost, fmt.Sprint("full", i), "v"); code >= 500 {
			refused++
		}
	}
	if refused < 18 {
		t.Errorf("%d of 20 writes were refused", refused)
	}
	size(unix.RLIM_INFINITY)
	eventually(t, "calls are served again", func() bool { code, _ := x.set(t, vaultHost, "after", "v"); return code == http.StatusOK })
	x.end(syscall.SIGTERM)
	x.verifies(t, true)
	text, err := os.ReadFile(x.auditFile())
	must(t, err)
	if !bytes.Contains(text, []byte(`"op":"audit.gap"`)) {
		t.Error("no line tells of the gap")
	}
}
