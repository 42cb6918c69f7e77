package postgrestest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// StartPooler runs a PgBouncer that lends connections for a transaction, and
// returns how the superuser reaches the database through it.
func (s *Server) StartPooler(tb testing.TB, bouncer, database string) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "pgbouncer")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	uid, gid, err := owner()
	if err != nil {
		tb.Fatal(err)
	}
	conf := fmt.Sprintf(`[databases]
%[1]s = host=%[2]s port=%[3]d user=%[4]s
[pgbouncer]
unix_socket_dir = %[5]s
listen_port = %[6]d
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
`, database, s.Socket, s.Port, Superuser, dir, socketPort)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		tb.Fatal(err)
	}
	for _, path := range []string{dir, file} {
		if err := os.Chown(path, uid, gid); err != nil {
			tb.Fatal(err)
		}
	}
	output := new(lockedBuffer)
	cmd := exec.Command(bouncer, file) //nolint:noctx,gosec // it is stopped by its handle
	cmd.Stdout, cmd.Stderr = output, output
	runToEnd(tb, cmd)
	socket := filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", socketPort))
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		c, err := net.Dial("unix", socket) //nolint:noctx // it does not wait
		if err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(deadline) {
			tb.Fatalf("PgBouncer does not get ready: %v\n%s", err, output.String())
		}
	}
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", dir, socketPort, Superuser, database)
}

// runToEnd starts a process that ends with the test.
func runToEnd(tb testing.TB, cmd *exec.Cmd) {
	tb.Helper()
	if err := asPostgres(cmd); err != nil {
		tb.Fatal(err)
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
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
}

// StartStandby runs a server that follows this one, until it is promoted.
func (s *Server) StartStandby(tb testing.TB) *Server {
	tb.Helper()
	home, err := os.MkdirTemp(room(), "pgtest")
	if err != nil {
		tb.Fatal(err)
	}
	uid, gid, err := owner()
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Chown(home, uid, gid); err != nil {
		tb.Fatal(err)
	}
	o := &Server{Port: socketPort, home: home, Socket: home, Data: filepath.Join(home, "data")}
	tb.Cleanup(o.Stop)
	cmd := exec.Command(filepath.Join(Bin(), "pg_basebackup"), "-D", o.Data, "-R", "-X", "stream", "-c", "fast", "--no-sync", //nolint:noctx,gosec // it is short
		"-h", s.Socket, "-p", fmt.Sprint(s.Port), "-U", Superuser)
	cmd.Dir = home
	if err := asPostgres(cmd); err != nil {
		tb.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	if err := o.Start(); err != nil {
		tb.Fatal(err)
	}
	return o
}
