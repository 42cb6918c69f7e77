package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/control"
	"github.com/vaultferry/vaultferry/secret"
)

// storeWorld is a gateway with a bolt store, "main", that serves commands.
type storeWorld struct {
	*runtime
	app *app
	dir string
	log *bytes.Buffer
}

func newStoreWorld(t *testing.T) *storeWorld {
	t.Helper()
	return newStoreWorldIn(t, filepath.Join(t.TempDir(), "gateway"))
}

func newStoreWorldIn(t *testing.T, dir string) *storeWorld {
	t.Helper()
	w := &storeWorld{dir: dir, log: &bytes.Buffer{}}
	a, _, errOut := testApp(strings.NewReader(""))
	if code := a.run(t.Context(), []string{"init", w.dir}); code != exitDone {
		t.Fatalf("init: exit code %d: %s", code, errOut)
	}
	w.app, _, _ = testApp(strings.NewReader(""))
	w.app.configFile, w.app.output = filepath.Join(w.dir, "vaultferry.yaml"), "text"
	cfg, _, err := w.app.load()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := loadKeyring(cfg.Keyring.File)
	if err != nil {
		t.Fatal(err)
	}
	if w.runtime, err = w.app.assemble(t.Context(), cfg, keys); err != nil {
		t.Fatal(err)
	}
	w.runtime.log = slog.New(slog.NewTextHandler(w.log, nil))
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// listen serves commands until the test ends.
func (w *storeWorld) listen(t *testing.T) {
	t.Helper()
	server, err := w.app.listenControl(t.Context(), w.runtime, nil)
	if err != nil || server == nil {
		t.Fatalf("%v: %s", err, w.log)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (w *storeWorld) put(t *testing.T, name secret.Name, size int) {
	t.Helper()
	_, err := w.service.Put(t.Context(), w.app.call("test"), gateway.Ref{Store: "main", Name: name},
		secret.Draft{Value: secret.TextValue(strings.Repeat("v", size))})
	if err != nil {
		t.Fatal(err)
	}
}

// run is a command over the same configuration.
func (w *storeWorld) run(ctx context.Context, args ...string) (out, errOut string, code int) {
	a, o, e := testApp(strings.NewReader(""))
	code = a.run(ctx, append(args, "--config", w.app.configFile))
	return o.String(), e.String(), code
}

// TestStoreBackupCutOff: of a copy that was cut short nothing is left.
func TestStoreBackupCutOff(t *testing.T) {
	t.Parallel()
	w := newStoreWorld(t)
	answerAt(t, w.cfg.Control.Socket, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/status" {
			_, _ = fmt.Fprintf(rw, `{"result":{"gateway":"g","pid":1,"stores":[{"name":"main","kind":"bolt","file":%q}]}}`, filepath.Join(w.dir, "main.db"))
			return
		}
		_, _ = io.WriteString(rw, "half of it")
	})
	file := filepath.Join(w.dir, "copy.db")
	if _, said, code := w.run(t.Context(), "store", "backup", "main", file); code != exitFailed || !strings.Contains(said, "the gateway broke off") {
		t.Errorf("exit code %d: %s", code, said)
	}
	for _, pattern := range []string{file, filepath.Join(w.dir, ".vaultferry-*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("%s is left", left)
		}
	}
}

func answerAt(t *testing.T, path string, h http.HandlerFunc) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
}

// TestStoreBackupBesideWriters: a copy that is made while others write is
// sound, and no write fails.
func TestStoreBackupBesideWriters(t *testing.T) {
	t.Parallel()
	w := newStoreWorld(t)
	w.listen(t)
	w.put(t, "first", 2<<20)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			_, err := w.service.Put(t.Context(), w.app.call("test"), gateway.Ref{Store: "main", Name: "busy"}, secret.Draft{Value: secret.TextValue("v")})
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range 3 {
		file := filepath.Join(w.dir, "copy.db")
		if _, said, code := w.run(t.Context(), "store", "backup", "main", file, "--force"); code != exitDone {
			t.Errorf("exit code %d: %s", code, said)
		}
		if out, said, code := w.run(t.Context(), "store", "check", "main", file); code != exitDone {
			t.Errorf("exit code %d: %s%s", code, out, said)
		}
		if out, said, code := w.run(t.Context(), "store", "check", "main"); code != exitDone {
			t.Errorf("exit code %d: %s%s", code, out, said)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestNoSocket: a socket that cannot be is a warning, and commands then say
// that the store is in use, and by whom they asked.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	w := newStoreWorld(t)
	if err := os.WriteFile(w.cfg.Control.Socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if server, err := w.app.listenControl(t.Context(), w.runtime, nil); server != nil || err != nil {
		t.Errorf("%v, %v", server, err)
	}
	if !strings.Contains(w.log.String(), "level=WARN") || !strings.Contains(w.log.String(), "commands cannot use this gateway") {
		t.Errorf("it says %q", w.log)
	}
	for _, args := range [][]string{{"store", "check", "main"}, {"list", "main"}} {
		if _, said, code := w.run(t.Context(), args...); code != exitFailed || !strings.Contains(said, "store main: another process is using "+w.dir) {
			t.Errorf("%v: exit code %d: %s", args, code, said)
		}
	}
	if out, _, code := w.run(t.Context(), "check"); code != exitDone || !strings.Contains(out, "control.socket: "+w.cfg.Control.Socket+" is in the way") {
		t.Errorf("check: exit code %d: %s", code, out)
	}
}

// TestSilentGateway: a gateway that is stopped is waited for no longer than ten
// seconds.
func TestSilentGateway(t *testing.T) {
	t.Parallel()
	w := newStoreWorld(t)
	ln, err := net.Listen("unix", w.cfg.Control.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	if _, said, code := w.run(t.Context(), "list", "main"); code != exitFailed || !strings.Contains(said, "store main: the gateway on "+w.cfg.Control.Socket+" does not answer") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestDeepFolder: a configuration may lie deeper than a socket's address is
// long.
func TestDeepFolder(t *testing.T) {
	t.Parallel()
	w := newStoreWorldIn(t, filepath.Join(t.TempDir(), strings.Repeat("long", 30)))
	if err := control.CheckPath(w.cfg.Control.Socket); err != nil { // not on this system
		if _, said, code := w.run(t.Context(), "check"); code != exitUsage || !strings.Contains(said, "control.socket: a socket's path holds at most") {
			t.Errorf("exit code %d: %s", code, said)
		}
		return
	}
	w.listen(t)
	if _, said, code := w.run(t.Context(), "list", "main"); code != exitDone {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestSecondGateway: two gateways of one configuration cannot be.
func TestSecondGateway(t *testing.T) {
	t.Parallel()
	w := newStoreWorld(t)
	w.listen(t)
	if _, err := w.app.listenControl(t.Context(), w.runtime, nil); !errors.Is(err, control.ErrLive) {
		t.Errorf("it is %v", err)
	}
}

// TestOtherStore: a gateway that has another file open under the store's name
// is not asked.
func TestOtherStore(t *testing.T) {
	t.Parallel()
	w := newStoreWorld(t)
	w.listen(t)
	w.put(t, "name-there", 1)
	b, err := os.ReadFile(w.app.configFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.app.configFile, bytes.ReplaceAll(b, []byte("main.db"), []byte("new.db")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, said, code := w.run(t.Context(), "list", "main"); code != exitDone || strings.Contains(out, "name-there") {
		t.Errorf("exit code %d: %s%s", code, out, said)
	}
	link := filepath.Join(w.dir, "new.db")
	if err := errors.Join(os.Remove(link), os.Symlink("main.db", link)); err != nil {
		t.Fatal(err)
	}
	if out, said, code := w.run(t.Context(), "list", "main"); code != exitDone || !strings.Contains(out, "name-there") {
		t.Errorf("the same by another name: exit code %d: %s%s", code, out, said)
	}
}

func TestStoreCopyName(t *testing.T) {
	t.Parallel()
	if got := storeCopyName("main", time.Unix(1700000000, 1500)); got != "main-1700000000.000001.db" {
		t.Error(got)
	}
}
