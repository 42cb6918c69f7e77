package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/freeport"
)

// managed is a gateway whose sockets and life are somebody else's, as systemd's.
type managed struct {
	t     testing.TB
	dir   string
	token string
	env   []string // of the gateway
	// stderr gets what the gateway says; nil: who ends it badly shows it.
	stderr *bytes.Buffer
}

func newManaged(t testing.TB) *managed {
	m := &managed{t: t, dir: t.TempDir(), token: rand.Text() + rand.Text()}
	for name, text := range map[string]string{
		"token": m.token,
		"vaultferry.yaml": `server: { address: 127.0.0.1:1, tls: { off: true } }
admin: { address: 127.0.0.1:0 }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
control: { socket: "" }
stores: [ { name: main, backend: bolt, bolt: { path: main.db } } ]
dialects: { azure: { routes: [ { host: main.vault.localhost, store: main } ] } }
callers: [ { name: app, tokens: [ { file: token, expires: 2100-01-01 } ] } ]
policy: [ { callers: [app], allow: ["*"], stores: ["*"], names: ["*"] } ]
`,
	} {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := m.command("", "keys", "new", "--output-file", "keyring.json").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return m
}

// command is run by a shell that can know its own process.
func (m *managed) command(before string, args ...string) *exec.Cmd {
	exe, err := exec.LookPath("vaultferry")
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), "sh", append([]string{"-c", before + ` exec "$0" "$@"`, exe}, args...)...)
	cmd.Dir, cmd.Env = m.dir, append(os.Environ(), m.env...)
	return cmd
}

// start passes the sockets on; stop ends the gateway as systemd does.
func (m *managed) start(names string, sockets ...*os.File) (stop func()) {
	m.t.Helper()
	cmd := m.command("LISTEN_PID=$$ LISTEN_FDS="+string(rune('0'+len(sockets)))+" LISTEN_FDNAMES="+names, "serve")
	cmd.ExtraFiles = sockets
	said := m.stderr
	if said == nil {
		said = new(bytes.Buffer)
	}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return func() {
		m.t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			m.t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			m.t.Errorf("%v: %s", err, said.String())
		}
		if m.t.Failed() {
			m.t.Log(said.String())
		}
	}
}

func listenFile(t testing.TB) (address string, file *os.File) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err = l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = file.Close(), l.Close() })
	return l.Addr().String(), file
}

func (m *managed) ask(client *http.Client, method, address, body string) (status int, err error) {
	req, err := http.NewRequest(method, "http://"+address+"/secrets/db-pass?api-version=7.4", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Host = "main.vault.localhost"
	req.Header.Set("Authorization", "Bearer "+m.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// TestSocketActivation: whoever connects while the unit restarts waits, and
// nobody is refused.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	address, socket := listenFile(t)
	admin, adminSocket := listenFile(t)
	client := &http.Client{Timeout: startTimeout}
	stop := m.start("vaultferry.socket:admin", socket, adminSocket)
	if status, err := m.ask(client, http.MethodPut, address, `{"value":"kept"}`); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	if resp, err := client.Get("http://" + admin + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Error(resp, err)
	}
	asked := make(chan struct{})
	ctx, end := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if status, err := m.ask(client, http.MethodGet, address, ""); err != nil || status != 200 {
					t.Errorf("a restart shows: %d %v", status, err)
					end()
					return
				}
				select {
				case asked <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	for range 3 {
		for range 64 {
			select {
			case <-asked:
			case <-ctx.Done(): // a client failed
			}
		}
		stop()
		stop = m.start("vaultferry.socket:admin", socket, adminSocket)
	}
	for range 64 { // the last one serves, too
		select {
		case <-asked:
		case <-ctx.Done():
		}
	}
	end()
	clients.Wait()
	stop()
}

// TestSocketActivate: the tool that systemd has for it starts the gateway, too.
func TestSocketActivate(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("systemd-socket-activate is not here")
	}
	m := newManaged(t)
	address := freeport.Keep(t)
	exe, err := exec.LookPath("vaultferry")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "--listen="+address, exe, "serve")
	cmd.Dir = m.dir
	said, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	lines := bufio.NewScanner(said)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "Listening on ") {
		t.Fatalf("the tool says %q", lines.Text())
	}
	// Its first client starts the gateway.
	if status, err := m.ask(&http.Client{Timeout: startTimeout}, http.MethodPut, address, `{"value":"kept"}`); err != nil || status != 200 {
		t.Error(status, err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	rest, _ := io.ReadAll(said)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, rest)
	}
}

// notified makes the socket on which systemd is told, and returns what it is told
// next. It is read all the time, as systemd does: a socket that is full holds up
// whoever writes to it.
func (m *managed) notified() (next func() string) {
	m.t.Helper()
	path := filepath.Join(m.t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = l.Close() })
	m.env = append(m.env, "NOTIFY_SOCKET="+path)
	told := make(chan string, 1<<16) // more than a test lasts
	go func() {
		defer close(told)
		for b := make([]byte, 4096); ; {
			n, err := l.Read(b)
			if err != nil {
				return
			}
			told <- string(b[:n])
		}
	}()
	return func() string {
		m.t.Helper()
		select {
		case state := <-told:
			return state
		case <-time.After(startTimeout):
			m.t.Fatal("systemd is told nothing")
			return ""
		}
	}
}

// TestNotifyWaiting: systemd is told for what the gateway waits at its start, and
// gives it the time.
func TestNotifyWaiting(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	for name, text := range map[string]string{
		"keyring.sealed": "vault:v1:AAAA\n",
		"vaultferry.yaml": `server: { address: 127.0.0.1:1, tls: { off: true } }
keyring: { transit: { file: keyring.sealed, address: "http://127.0.0.1:1", key: ring, token: { file: token } } }
stores: [ { name: main, backend: memory } ]
`,
	} {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next := m.notified()
	cmd := m.command("", "serve")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for range 2 {
		told := next()
		if !strings.HasPrefix(told, "STATUS=waiting for the keyring: ") || !strings.Contains(told, "Vault cannot be reached") || !strings.Contains(told, "\nEXTEND_TIMEOUT_USEC=3") {
			t.Errorf("told %q", told)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(cmd.Wait()); code != exitInterrupted {
		t.Errorf("it ends with %d", code)
	}
}

// TestNotify: systemd is told when the gateway serves, that it lives, and that it
// stops.
func TestNotify(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	next := m.notified()
	m.env = append(m.env, "WATCHDOG_USEC=20000")
	_, socket := listenFile(t)
	stop := m.start("vaultferry.socket", socket)
	if got := next(); got != "READY=1" {
		t.Errorf("first %q", got)
	}
	for range 3 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("then %q", got)
		}
	}
	stop()
	for {
		switch got := next(); got {
		case "WATCHDOG=1":
		case "STOPPING=1":
			return
		default:
			t.Fatalf("at the end %q", got)
		}
	}
}

// TestSocketsOfOneKind: two sockets for one listener are a mistake of the unit.
func TestSocketsOfOneKind(t *testing.T) {
	t.Parallel()
	m := newManaged(t)
	_, one := listenFile(t)
	_, two := listenFile(t)
	cmd := m.command("LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b", "serve")
	cmd.ExtraFiles = []*os.File{one, two}
	out, err := cmd.CombinedOutput()
	if got := exitCode(err); got != exitUsage || !strings.Contains(string(out), "two sockets for the same listener") {
		t.Errorf("exit code %d: %s", got, out)
	}
}
