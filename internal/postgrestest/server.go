// Package postgrestest starts a real PostgreSQL server as a child process of a
// test: its data in a temporary folder, on a Unix socket and, where a test asks
// for it, a free loopback port. It is stopped by its process handle.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/internal/freeport"
)

// Superuser may do everything on a Server, without a password on its socket.
const Superuser = "postgres"

// Server is a running PostgreSQL.
type Server struct {
	Socket string // folder of the Unix socket
	Port   int    // of the socket and, with Options.TCP, on 127.0.0.1
	Data   string // its data folder
	home   string
	tcp    bool
	letGo  func() // of the port; nil: it has none
	disk   *Disk
	made   atomic.Int64 // databases

	mu      sync.Mutex // of the process that runs
	process *os.Process
	exited  chan struct{}
	output  *lockedBuffer
}

// Options shape a server of a test's own.
type Options struct {
	Settings []string // lines of postgresql.conf
	HBA      []string // lines of pg_hba.conf, before those of this package
	Files    map[string][]byte
	// Home is where the data lie; empty: where there is room.
	Home string
	Disk *Disk // may be nil: one that has room
	// TCP has it listen on 127.0.0.1 beside its socket.
	TCP bool
}

// patience bounds the start, on a machine that may be very busy.
const patience = 5 * time.Minute

// socketPort names the sockets. Each lies in a folder of its own, so that one number
// does for all, and no other process can take it.
const socketPort = 5432

// Start runs a server of the test's own and stops it with the test.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	Need(tb)
	s, err := start(o)
	if err != nil {
		tb.Fatalf("start PostgreSQL: %v", err)
	}
	tb.Cleanup(s.Stop)
	return s
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared returns the one server of this test binary, whose TestMain calls Stop
// when all is done. Tests keep apart by databases: see NewDatabase.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	Need(tb)
	shared.once.Do(func() { shared.server, shared.err = start(Options{}) })
	if shared.err != nil {
		tb.Fatalf("start PostgreSQL: %v", shared.err)
	}
	return shared.server
}

// StopShared stops the shared server, if any test asked for it.
func StopShared() {
	if shared.server != nil {
		shared.server.Stop()
	}
}

// Main runs the tests and stops the shared server.
func Main(m *testing.M) {
	code := m.Run()
	StopShared()
	os.Exit(code)
}

// Bin is the folder of PostgreSQL's programs; empty: they are not installed.
func Bin() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	slices.Sort(found)
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

// Installed reports whether there is a PostgreSQL. In CI there must be one.
func Installed(tb testing.TB) bool {
	tb.Helper()
	if Bin() == "" && os.Getenv("CI") == "true" {
		tb.Fatal("PostgreSQL is not installed: run .ci/deps")
	}
	return Bin() != ""
}

// Need skips the test where there is no PostgreSQL.
func Need(tb testing.TB) {
	tb.Helper()
	if !Installed(tb) {
		tb.Skip("PostgreSQL is not installed: run .ci/deps")
	}
}

func start(o Options) (*Server, error) {
	s := &Server{Port: socketPort, home: o.Home, disk: o.Disk, tcp: o.TCP}
	if s.home == "" {
		var err error
		if s.home, err = os.MkdirTemp(room(), "pgtest"); err != nil {
			return nil, err
		}
	}
	s.Data, s.Socket = filepath.Join(s.home, "data"), s.home
	if err := errors.Join(s.keepPort(), s.prepare(o), s.Start()); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// keepPort gives a server that listens on TCP a port of its own, until it is stopped.
func (s *Server) keepPort() error {
	if !s.tcp {
		return nil
	}
	address, letGo, err := freeport.Take()
	if err != nil {
		return err
	}
	s.letGo = letGo
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		s.Port, err = strconv.Atoi(port)
	}
	return err
}

// room is a folder in memory where there is one that is large: a server that
// syncs to a disk that others wait for, too, is slow.
func room() string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fs); err == nil && fs.Bavail*uint64(fs.Bsize) > 4<<30 {
		return "/dev/shm"
	}
	return ""
}

// prepare makes the data folder and its configuration.
func (s *Server) prepare(o Options) error {
	uid, gid, err := owner()
	if err := errors.Join(err, os.Chmod(s.home, 0o755), os.Chown(s.home, uid, gid)); err != nil { //nolint:gosec // the server's user gets there
		return err
	}
	cmd := exec.Command(filepath.Join(Bin(), "initdb"), "-D", s.Data, "-U", Superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "-N") //nolint:noctx,gosec // it is short
	cmd.Dir = s.home
	if err := asPostgres(cmd); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	settings := append([]string{
		"max_connections = 300", "shared_buffers = 64MB", "logging_collector = off", "log_min_messages = fatal",
	}, o.Settings...)
	hba := append(slices.Clone(o.HBA), "local all all trust", "host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 trust", "local replication all trust")
	files := map[string][]byte{
		"postgresql.conf": []byte(strings.Join(settings, "\n") + "\n"), "pg_hba.conf": []byte(strings.Join(hba, "\n") + "\n"),
	}
	for name, content := range o.Files {
		files[name] = content
	}
	for name, content := range files {
		path := filepath.Join(s.Data, name)
		if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chown(path, uid, gid)); err != nil {
			return err
		}
	}
	return nil
}

// Start starts the server of a data folder that is there, and waits until it
// answers.
func (s *Server) Start() error {
	listens := ""
	if s.tcp {
		listens = "127.0.0.1"
	}
	cmd := exec.Command(filepath.Join(Bin(), "postgres"), "-D", s.Data, "-k", s.Socket, "-h", listens, "-p", fmt.Sprint(s.Port)) //nolint:noctx,gosec // it is stopped by its handle
	cmd.Dir = s.home
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}, s.disk.env()...)
	s.output = new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = s.output, s.output
	if err := asPostgres(cmd); err != nil {
		return err
	}
	started, exited := make(chan error, 1), make(chan struct{})
	go func() { // on one thread: the kernel ties the child's life to the thread that started it
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.mu.Lock()
	s.process, s.exited = cmd.Process, exited
	s.mu.Unlock()
	if err := s.await(exited); err != nil {
		return fmt.Errorf("%w\n%s", err, s.output.String())
	}
	return nil
}

func (s *Server) await(exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			err = c.Close(ctx)
		}
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("the server does not get ready: %w", err)
		case <-again.C:
		}
	}
}

// Signal sends a signal to the postmaster: SIGKILL is its sudden death.
func (s *Server) Signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return errors.New("it does not run")
	}
	return s.process.Signal(sig)
}

// Exited is closed once the server that runs now has ended, by whatever cause.
func (s *Server) Exited() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exited
}

// Said is what the server has said since it started: what ends a session or more.
func (s *Server) Said() string { return s.output.String() }

// Kill ends the postmaster at once and waits for its end.
func (s *Server) Kill() error {
	err := s.Signal(syscall.SIGKILL)
	<-s.exited
	return err
}

// Stop ends the server fast, waits for its end, and removes its data. It may be
// called twice.
func (s *Server) Stop() {
	s.mu.Lock()
	process, exited := s.process, s.exited
	s.mu.Unlock()
	if process != nil {
		_ = process.Signal(syscall.SIGQUIT)
		<-exited
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.letGo != nil {
		s.letGo()
	}
	s.letGo = nil
	_ = os.RemoveAll(s.home)
}

// DSN is how the superuser reaches a database over the socket.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", s.Socket, s.Port, Superuser, database)
}

// NewDatabase makes an empty database and returns its name.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test%d", s.made.Add(1))
	s.Exec(tb, "postgres", "CREATE DATABASE "+name)
	return name
}

// Exec runs statements in a database as the superuser.
func (s *Server) Exec(tb testing.TB, database string, statements ...string) {
	tb.Helper()
	if err := s.Run(database, statements...); err != nil {
		tb.Fatal(err)
	}
}

// Run is Exec for who may not end a test.
func (s *Server) Run(database string, statements ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, s.DSN(database))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	for _, statement := range statements {
		if _, err := c.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// lockedBuffer takes what the processes of the server say.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
