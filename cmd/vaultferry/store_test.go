package main

import (
	"bytes"
	"context"
	"errors"
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
	"github.com/vaultferry/vaultferry/secret"
)

// storeWorld is a gateway with a bolt store, "main", and its sockets.
type storeWorld struct {
	*parts
	app     *app
	dir     string
	sockets *storeSockets
	log     *bytes.Buffer
}

func newStoreWorld(t *testing.T) *storeWorld {
	t.Helper()
	tmp, err := os.MkdirTemp("", "vf") // short: the path of a socket is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) })
	w := &storeWorld{dir: filepath.Join(tmp, "gateway"), log: &bytes.Buffer{}}
	a, _, errOut := testApp(strings.NewReader(""))
	if code := a.run(t.Context(), []string{"init", w.dir}); code != exitDone {
		t.Fatalf("init: exit code %d: %s", code, errOut)
	}
	w.app, _, _ = testApp(strings.NewReader(""))
	w.app.configFile, w.app.output = filepath.Join(w.dir, "vaultferry.yaml"), "text"
	if w.parts, err = w.app.open(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	w.parts.log = slog.New(slog.NewTextHandler(w.log, nil))
	w.sockets = w.app.listenStores(t.Context(), w.parts)
	t.Cleanup(func() {
		if err := errors.Join(w.sockets.close(), w.close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *storeWorld) path() string { return filepath.Join(w.dir, "main.db") }

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

// TestStoreBackupCutOff: a copy that was cut short is no backup, at whatever
// end it was cut.
func TestStoreBackupCutOff(t *testing.T) {
	t.Parallel()
	t.Run("gateway stops", func(t *testing.T) {
		t.Parallel()
		w := newStoreWorld(t)
		w.put(t, "large", 12<<20) // more than a socket holds
		got := 0
		err := askSnapshot(t.Context(), w.path(), writerFunc(func(b []byte) (int, error) {
			if got == 0 {
				if err := w.sockets.close(); err != nil {
					t.Error(err)
				}
			}
			got += len(b)
			return len(b), nil
		}))
		if !errors.Is(err, secret.Unavailable) || got == 0 || got > 12<<20 {
			t.Errorf("%d bytes came, %v", got, err)
		}
		outcomes := 0
		for line := range strings.Lines(audited(t, w)) {
			if strings.Contains(line, `"op":"cli.store.backup"`) && strings.Contains(line, `"phase":"outcome"`) {
				if outcomes++; strings.Contains(line, `"result":"ok"`) {
					t.Errorf("audited as whole: %s", line)
				}
			}
		}
		if outcomes != 1 {
			t.Errorf("%d outcomes are in the audit", outcomes)
		}
	})
	t.Run("command stops", func(t *testing.T) {
		t.Parallel()
		w := newStoreWorld(t)
		w.put(t, "large", 12<<20)
		ctx, cancel := context.WithCancel(t.Context())
		err := askSnapshot(ctx, w.path(), writerFunc(func(b []byte) (int, error) {
			cancel()
			return len(b), nil
		}))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the command: %v", err)
		}
	})
	for what, answer := range map[string]http.HandlerFunc{
		"no sum": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "half of it") },
		"wrong sum": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", sumTrailer)
			_, _ = io.WriteString(w, "half of it")
			w.Header().Set(sumTrailer, strings.Repeat("0", 64))
		},
		"no words": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newStoreWorld(t)
			if err := w.sockets.close(); err != nil {
				t.Fatal(err)
			}
			answerAt(t, socketPath(w.path()), answer)
			file := filepath.Join(w.dir, "copy.db")
			if _, said, code := w.run(t.Context(), "store", "backup", "main", file); code != exitFailed || said == "" {
				t.Errorf("exit code %d: %s", code, said)
			}
			for _, pattern := range []string{file, filepath.Join(w.dir, ".vaultferry-*")} {
				if left, _ := filepath.Glob(pattern); len(left) > 0 {
					t.Errorf("%s is left", left)
				}
			}
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func audited(t *testing.T, w *storeWorld) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func answerAt(t *testing.T, path string, h http.Handler) {
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

// TestStoreSocketCannotBe: a path too long for a socket is a warning, and the
// commands then say that the store is held.
func TestStoreSocketCannotBe(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	a, _, errOut := testApp(strings.NewReader(""))
	if code := a.run(t.Context(), []string{"init", dir}); code != exitDone {
		t.Fatalf("init: exit code %d: %s", code, errOut)
	}
	w := &storeWorld{dir: dir, log: &bytes.Buffer{}, app: a}
	a.configFile = filepath.Join(dir, "vaultferry.yaml")
	p, err := a.open(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	p.log = slog.New(slog.NewTextHandler(w.log, nil))
	sockets := a.listenStores(t.Context(), p)
	if !strings.Contains(w.log.String(), "level=WARN") || !strings.Contains(w.log.String(), "store=main") {
		t.Errorf("it says %q", w.log)
	}
	if _, said, code := w.run(t.Context(), "store", "check", "main"); code != exitFailed || !strings.Contains(said, "held by another process") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if err := errors.Join(sockets.close(), p.close()); err != nil {
		t.Error(err)
	}
}

// TestStoreSocketCaller: the audit names who is at the other end, whatever
// that one says.
func TestStoreSocketCaller(t *testing.T) {
	t.Parallel()
	w := newStoreWorld(t)
	if _, err := askExamine(t.Context(), w.path()); err != nil {
		t.Fatal(err)
	}
	if want := `"caller":"local:` + userName() + `"`; !strings.Contains(audited(t, w), want) {
		t.Errorf("the audit does not say %s", want)
	}
	h := &storeHandler{service: w.service, store: "main"}
	for what, p := range map[string]any{"unknown": nil, "other": peer{err: secret.Errorf(secret.Denied, "another user")}} {
		r, err := http.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, p), http.MethodPost, "/v1/check", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.call(r, "store.check"); err == nil {
			t.Errorf("%s: it may ask", what)
		}
	}
}

func TestStoreCopyName(t *testing.T) {
	t.Parallel()
	if got := storeCopyName("main", time.Unix(1700000000, 1500)); got != "main-1700000000.000001.db" {
		t.Error(got)
	}
}
