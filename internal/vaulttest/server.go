// Package vaulttest starts the real Vault server of test/vault as a child
// process of a test: in memory, unsealed, on a free loopback port. It is
// stopped by its process handle.
package vaulttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/internal/freeport"
)

// RootToken may do everything on a Server.
const RootToken = "root"

// Server is a running Vault.
type Server struct {
	Address string
	cancel  context.CancelFunc
	exited  chan struct{}
	home    string
	letGo   []func() // of its ports
	mounts  sync.Mutex
	count   int
}

// KeepsToken picks the requests by which a client looks after its token. It
// makes them in the background, when it likes.
func KeepsToken(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/v1/auth/token/") || r.URL.Path == "/v1/sys/wrapping/lookup"
}

// patience bounds the start, not the build, on a machine that may be very busy.
const patience = 5 * time.Minute

// Start runs a server of the test's own and stops it with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return mustStart(tb, false)
}

// StartTLS is Start with HTTPS, under a CA of the server's own: CAFile.
func StartTLS(tb testing.TB) *Server {
	tb.Helper()
	return mustStart(tb, true)
}

func mustStart(tb testing.TB, secure bool) *Server {
	tb.Helper()
	s, err := start(secure)
	if err != nil {
		tb.Fatalf("start Vault: %v", err)
	}
	tb.Cleanup(s.Stop)
	return s
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the one server of this test binary, whose TestMain calls
// Main. Tests keep apart by mounts: NewMount.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	shared.once.Do(func() { shared.server, shared.err = start(false) })
	if shared.err != nil {
		tb.Fatalf("start Vault: %v", shared.err)
	}
	return shared.server
}

// Main runs the tests and stops the shared server.
func Main(m *testing.M) {
	code := m.Run()
	StopShared()
	os.Exit(code)
}

// StopShared stops the shared server, if any test asked for it.
func StopShared() {
	if shared.server != nil {
		shared.server.Stop()
	}
}

func start(secure bool) (*Server, error) {
	binary, err := build(context.Background())
	if err != nil {
		return nil, err
	}
	return launch(binary, secure)
}

// build returns the path of the server, made by the script of test/vault.
func build(ctx context.Context) (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the source tree is not known")
	}
	script := filepath.Join(filepath.Dir(file), "..", "..", "test", "vault", "build.sh")
	cmd := exec.CommandContext(ctx, script)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

func launch(binary string, secure bool) (*Server, error) {
	home, err := os.MkdirTemp("", "vaulttest")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cancel: cancel, exited: make(chan struct{}), home: home}
	address, err := s.keepPort()
	if err != nil {
		close(s.exited) // it never ran
		s.Stop()
		return nil, err
	}
	s.Address = "http://" + address
	args := []string{
		"server", "-dev", "-dev-root-token-id=" + RootToken, "-dev-no-store-token", "-dev-listen-address=" + address, "-log-level=error",
	}
	if secure {
		s.Address = "https://" + address
		args = append(args, "-dev-tls", "-dev-tls-cert-dir="+home)
	}
	return s, s.run(ctx, binary, args, "/v1/sys/mounts/secret")
}

// run starts the process and waits until it answers at the path.
func (s *Server) run(ctx context.Context, binary string, args []string, path string) error {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	// No VAULT_*. The heap is small: collected half as often, it costs an eighth less time.
	cmd.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "GOGC=200"}
	cmd.Stdout, cmd.Stderr = &output, &output
	started := make(chan error, 1)
	go s.watch(cmd, started)
	if err := <-started; err != nil {
		s.Stop()
		return err
	}
	if err := s.awaitReady(ctx, path); err != nil {
		s.Stop()
		return fmt.Errorf("%w\n%s", err, output.Bytes())
	}
	return nil
}

// watch owns the process from start to end, on one thread: the kernel ties
// the child's life to the thread that started it.
func (s *Server) watch(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.exited)
	dieWithParent(cmd)
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait()
	}
}

// keepPort returns an address that is the server's until it is stopped.
func (s *Server) keepPort() (string, error) {
	address, letGo, err := freeport.Take()
	if err == nil {
		s.letGo = append(s.letGo, letGo)
	}
	return address, err
}

// awaitReady polls until the server answers at the path, which says that its
// first mount is there.
func (s *Server) awaitReady(ctx context.Context, path string) error {
	return s.await(func() bool { return s.ready(ctx, path) })
}

// await polls until what is awaited is so.
func (s *Server) await(so func() bool) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-s.exited:
			return errors.New("the server ended at once")
		case <-deadline.C:
			return errors.New("the server does not get ready")
		case <-again.C:
		}
	}
	return nil
}

func (s *Server) ready(ctx context.Context, path string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Address+path, nil)
	if err != nil {
		return false
	}
	req.Header.Set("X-Vault-Token", RootToken)
	client := s.http()
	defer client.CloseIdleConnections()
	client.Timeout = patience
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Stop ends the server and waits for its end. It may be called twice.
func (s *Server) Stop() {
	s.cancel()
	<-s.exited
	s.mounts.Lock()
	defer s.mounts.Unlock()
	for _, letGo := range s.letGo {
		letGo()
	}
	s.letGo = nil
	_ = os.RemoveAll(s.home)
}

// Client returns a client with the token that ignores the environment.
func (s *Server) Client(tb testing.TB, token string) *api.Client {
	tb.Helper()
	c, err := api.NewClient(&api.Config{Address: s.Address, HttpClient: s.http(), DisableRedirects: true})
	if err != nil {
		tb.Fatalf("client: %v", err)
	}
	c.ClearNamespace()
	c.SetMaxRetries(0)
	c.SetToken(token)
	return c
}

// CAFile is the certificate to trust of a server of StartTLS.
func (s *Server) CAFile() string { return filepath.Join(s.home, "vault-ca.pem") }

func (s *Server) http() *http.Client {
	t := &http.Transport{MaxIdleConnsPerHost: 32}
	if pem, err := os.ReadFile(s.CAFile()); err == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
		t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	return &http.Client{Transport: t}
}
