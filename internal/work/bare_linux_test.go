package work

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/mux"
)

// bareEnv is the folder of the answers; without it BenchmarkBareServer does
// nothing.
const bareEnv = "WORK_BARE"

// BenchmarkBareServer is a server of BenchmarkWork in a process of its own:
// net/http and mux, and the answers of the gateway ready-made.
//
//   - bare: nothing but the answer.
//   - audited: beside it the gateway's headers, the token's hash, and a line of
//     audit built by hand, chained by its hash and written.
//   - synced: two such lines for each request, each on stable storage before
//     the next step; those of many requests share a write and a sync.
func BenchmarkBareServer(b *testing.B) {
	dir := os.Getenv(bareEnv)
	if dir == "" {
		b.Skip("a part of BenchmarkWork")
	}
	for _, name := range []string{"bare", "audited", "synced"} {
		b.Run(name, func(b *testing.B) { serveBare(b, dir, name) })
	}
}

func serveBare(b *testing.B, dir, name string) {
	b.Helper()
	log := newLines(b, filepath.Join(dir, name+".jsonl"))
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for what, path := range map[string]string{"get": "/secrets/{name}/", "list": "/secrets", "backup": "/secrets/{name}/backup", "set": "/secrets/{name}"} {
		answer, err := os.ReadFile(filepath.Join(dir, what))
		if err != nil {
			b.Fatal(err)
		}
		length := strconv.Itoa(len(answer))
		router.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if name != "bare" && !log.serve(w, r, name == "synced") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Content-Length", length)
			_, _ = w.Write(answer)
		}).Methods(requests[what].method)
	}
	ln, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: router, ReadHeaderTimeout: time.Minute}
	ctx, stop := signal.NotifyContext(context.WithoutCancel(b.Context()), syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(os.Stderr, "msg=serving address=%s\n", ln.Addr())
	go func() { _ = server.Serve(ln) }()
	<-ctx.Done()
	_ = server.Close()
}

// lines is the least that an audit is: chained lines, in a file.
type lines struct {
	file  *os.File
	known [sha256.Size]byte

	mu    sync.Mutex
	sum   [sha256.Size]byte
	seq   int64
	next  []byte // lines that wait for the next write and sync
	batch *syncing
	busy  bool
}

type syncing struct {
	done chan struct{}
	err  error
}

func newLines(b *testing.B, path string) *lines {
	b.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	return &lines{file: f, known: sha256.Sum256([]byte(token)), batch: &syncing{done: make(chan struct{})}}
}

// serve does what an audited answer needs beside its bytes.
func (l *lines) serve(w http.ResponseWriter, r *http.Request, durable bool) bool {
	if sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))) != l.known {
		return false
	}
	h, id := w.Header(), "00000000-0000-4000-8000-000000000000"
	for _, each := range [][2]string{
		{"Cache-Control", "no-cache"},
		{"Pragma", "no-cache"},
		{"Expires", "-1"},
		{"Strict-Transport-Security", "max-age=31536000;includeSubDomains"},
		{"X-Content-Type-Options", "nosniff"},
		{"x-ms-keyvault-region", "local"},
		{"x-ms-keyvault-service-version", "1.9.2421.1"},
		{"x-ms-request-id", id},
		{"x-ms-keyvault-network-info", "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;"},
	} {
		h[each[0]] = []string{each[1]}
	}
	if !durable {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, err := l.file.Write(l.line(nil, r, id))
		return err == nil
	}
	for range 2 { // the intent, and the outcome
		if l.durable(r, id) != nil {
			return false
		}
	}
	return true
}

// line appends a line as the gateway writes it, with mu held.
func (l *lines) line(to []byte, r *http.Request, id string) []byte {
	l.seq++
	begin := len(to)
	to = append(to, `{"v":1,"chain":"`...)
	to = hex.AppendEncode(to, l.sum[:])
	to = append(to, `","seq":`...)
	to = strconv.AppendInt(to, l.seq, 10)
	to = append(to, `,"time":"`...)
	to = time.Now().UTC().AppendFormat(to, time.RFC3339Nano)
	to = append(to, `","phase":"outcome","request_id":"`...)
	to = append(to, id...)
	to = append(to, `","caller":"bench","address":"127.0.0.1","via":"azure","op":"azure.GetSecret","action":"get","store":"main","name":"`...)
	to = append(to, mux.Vars(r)["name"]...)
	to = append(to, `","versions":[1],"backend_ops":1,"result":"ok","duration_ms":0.005}`...)
	l.sum = sha256.Sum256(to[begin:])
	return append(to, '\n')
}

// durable returns when a line is on stable storage. Who finds nobody syncing
// does it for all that have gathered.
func (l *lines) durable(r *http.Request, id string) error {
	l.mu.Lock()
	l.next = l.line(l.next, r, id)
	mine := l.batch
	if l.busy {
		l.mu.Unlock()
		<-mine.done
		return mine.err
	}
	l.busy = true
	for len(l.next) > 0 {
		out, b := l.next, l.batch
		l.next, l.batch = nil, &syncing{done: make(chan struct{})}
		l.mu.Unlock()
		if _, b.err = l.file.Write(out); b.err == nil {
			b.err = l.file.Sync()
		}
		close(b.done)
		l.mu.Lock()
	}
	l.busy = false
	l.mu.Unlock()
	return mine.err
}
