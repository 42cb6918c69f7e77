package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
)

// fleetConfig is of a gateway over the database of fleetRig.
const fleetConfig = `
gateway: { id: 00112233445566778899aabbccddeeff, name: %s }
server: { address: "127.0.0.1:0", tls: { off: true } }
admin: { address: "127.0.0.1:0" }
keyring: { file: ../keyring.json }
audit: { file: audit.jsonl }
stores: [ { name: pay, backend: postgres, postgres: { dsn: %q } } ]
dialects: { azure: { routes: [ { host: pay.vault.localhost, store: pay } ] } }
`

// heard is what a gateway says, until it serves.
type heard struct {
	mu      sync.Mutex
	text    bytes.Buffer
	serving chan struct{}
	once    sync.Once
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, err := h.text.Write(p)
	if bytes.Contains(h.text.Bytes(), []byte("msg=serving")) {
		h.once.Do(func() { close(h.serving) })
	}
	return n, err
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// TestFleetStatus: of two gateways over one database one is killed. The other one,
// whose clock is the test's, shows both, then that one is silent, and fails; its
// metrics say so.
func TestFleetStatus(t *testing.T) {
	t.Parallel()
	postgrestest.Need(t)
	server := postgrestest.Start(t, postgrestest.Options{})
	dsn, dir := server.DSN("postgres"), t.TempDir()
	exe, err := exec.LookPath("vaultferry")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gw-1", "gw-2"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "vaultferry.yaml"), fmt.Appendf(nil, fleetConfig, name, dsn), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"keys", "new", "--output-file", filepath.Join(dir, "keyring.json")}, {"store", "upgrade", "pay", "--config", filepath.Join(dir, "gw-1", "vaultferry.yaml")},
	} {
		if out, err := exec.CommandContext(t.Context(), exe, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	second := exec.Command(exe, "serve")
	second.Dir = filepath.Join(dir, "gw-2")
	said, err := second.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Process.Kill() })
	for lines := bufio.NewScanner(said); lines.Scan() && !strings.Contains(lines.Text(), "msg=serving"); {
		t.Log(lines.Text())
	}
	untilTrue(t, func() bool {
		return server.Run("postgres", "SELECT 1 / count(*) FROM vaultferry.state WHERE name = 'gateways'") == nil
	})

	clock := &movedClock{at: time.Now()}
	config := filepath.Join(dir, "gw-1", "vaultferry.yaml")
	h := &heard{serving: make(chan struct{})}
	first := &app{out: io.Discard, errOut: h, now: clock.now, configFile: config}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.serve(ctx, "", nil) }()
	t.Cleanup(stop)
	select {
	case <-h.serving:
	case err := <-ended:
		t.Fatalf("%v: %s", err, h)
	}
	status := func(output string) (string, error) {
		var out bytes.Buffer
		a := &app{out: &out, errOut: io.Discard, now: clock.now, configFile: config, output: output}
		err := a.status(t.Context(), false)
		return out.String(), err
	}
	var both string
	untilTrue(t, func() bool {
		both, _ = status("") // whose exit code tells of the machine's disk, too
		return strings.Contains(both, "gw-2")
	})
	for _, want := range []string{`(?m)^fleet +gw-1, \S+, began .*, this one \(pay\)$`, `(?m)^fleet +gw-2, \S+, began .*, heard less than a minute ago \(pay\)$`} {
		if !regexp.MustCompile(want).MatchString(both) {
			t.Errorf("no %q in\n%s", want, both)
		}
	}
	if err := second.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = second.Wait() // it was killed
	var text string
	untilTrue(t, func() bool { // it may have told once more before it died
		clock.advance(2 * time.Minute)
		text, err = status("")
		return strings.Contains(text, "silent")
	})
	if !isExit(err, exitFailed) || !regexp.MustCompile(`(?m)^look at +gateway gw-2 has been silent for \d+ minutes$`).MatchString(text) {
		t.Errorf("%v\n%s", err, text)
	}
	var v statusView
	if text, _ = status("json"); json.Unmarshal([]byte(text), &v) != nil || len(v.Fleet) != 2 || !v.Fleet[1].Silent || v.Fleet[0].ID == v.Fleet[1].ID {
		t.Errorf("as JSON: %s", text)
	}
	resp, err := http.Get("http://" + v.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	for _, want := range []string{`vaultferry_fleet_gateways{state="silent",store="pay"} 1`, `vaultferry_fleet_gateways{state="up",store="pay"} 1`} {
		if err != nil || !strings.Contains(string(metrics), want+"\n") {
			t.Errorf("no %s: %v", want, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("%v: %s", err, h)
	}
	if strings.Contains(h.String(), "cannot know each other") {
		t.Error(h)
	}
}

// movedClock is a clock that a test alone puts forward.
type movedClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *movedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *movedClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func isExit(err error, code int) bool {
	e, ok := errors.AsType[*exitError](err)
	return ok && e.code == code
}

// untilTrue asks again and again, for what another process does in its own time.
func untilTrue(t *testing.T, f func() bool) {
	t.Helper()
	for end := time.After(2 * startTimeout); !f(); {
		select {
		case <-end:
			t.Fatal("it does not come")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
