package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// A gateway listens for commands about the whole of each bolt store that it has
// open: on a socket beside the file, which the file's own user alone may use.
// Who asks is what the system says of the other end.

// socketPath is where.
func socketPath(store string) string { return store + ".sock" }

// sumTrailer ends a whole copy: the SHA-256 of it. What has none was cut short.
const sumTrailer = "Vaultferry-Sha256"

// stallTimeout is how long one who does not read keeps a copy from its end: the
// file cannot use again what is freed meanwhile.
const stallTimeout = time.Minute

// storeSockets are those of one gateway.
type storeSockets struct {
	servers []*http.Server
	open    sync.WaitGroup // listeners and connections
}

// listenStores never fails: what cannot be listened on is a warning. The
// sockets must be closed before the stores are: until then no other process has
// them open, so that what stands in the place of a socket is a stale one.
func (a *app) listenStores(ctx context.Context, p *parts) *storeSockets {
	l := &storeSockets{}
	for i := range p.cfg.Stores {
		s := &p.cfg.Stores[i]
		if s.Backend != fileKind {
			continue
		}
		path, err := storePath(s)
		if err == nil {
			err = l.listen(ctx, p, s.Name, socketPath(path))
		}
		if err != nil {
			p.log.Warn("this store cannot be backed up or checked as a whole while the gateway runs",
				slog.String("store", s.Name), slog.Any("error", err))
		}
	}
	return l
}

func (l *storeSockets) listen(ctx context.Context, p *parts, store, path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is in the way and no socket", path)
	default:
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil { // who was quicker is told by peerOf
		return errors.Join(err, ln.Close())
	}
	h := &storeHandler{service: p.service, store: store}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/backup", h.backup)
	mux.HandleFunc("POST /v1/check", h.check)
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: stallTimeout,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { // before Serve accepts another
			l.open.Add(1)
			return context.WithValue(ctx, peerKey{}, peerOf(c))
		},
		ConnState: func(_ net.Conn, s http.ConnState) { // after the last call on it
			if s == http.StateClosed {
				l.open.Done()
			}
		},
	}
	l.servers = append(l.servers, srv)
	l.open.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("the socket of a store failed", slog.String("store", store), slog.Any("error", err))
		}
	})
	return nil
}

// close cuts off who is served, waits until the calls have said so in the
// audit, and removes the sockets.
func (l *storeSockets) close() (err error) {
	for _, s := range l.servers {
		err = errors.Join(err, s.Close())
	}
	l.open.Wait()
	return err
}

type peerKey struct{}

// peer is the user at the other end of a connection, or why it is not known.
type peer struct {
	user string
	err  error
}

// peerOf asks the system. The socket's mode keeps others away; that they are
// not ours is checked all the same.
func peerOf(c net.Conn) peer {
	uid, err := peerUID(c)
	switch {
	case err != nil:
		return peer{err: err}
	case uid != os.Geteuid() && uid != 0:
		return peer{err: secret.Errorf(secret.Denied, "this socket is of another user")}
	}
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil && u.Username != "" {
		id = u.Username
	}
	return peer{user: id}
}

type storeHandler struct {
	service *gateway.Service
	store   string
}

// call is who asks.
func (h *storeHandler) call(r *http.Request, op string) (c gateway.Call, err error) {
	p, ok := r.Context().Value(peerKey{}).(peer)
	switch {
	case !ok:
		return c, secret.Errorf(secret.Internal, "nobody knows who asks")
	case p.err != nil:
		return c, p.err
	}
	return gateway.Call{Caller: access.Local(p.user), Op: "cli." + op, RequestID: uuid.NewString()}, nil
}

func (h *storeHandler) backup(w http.ResponseWriter, r *http.Request) {
	c, err := h.call(r, "store.backup")
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Trailer", sumTrailer)
	w.Header().Set("Content-Type", "application/octet-stream")
	sum, out := sha256.New(), &patient{ResponseWriter: w}
	err = h.service.Snapshot(r.Context(), c, h.store, io.MultiWriter(out, sum))
	switch {
	case err == nil:
		w.Header().Set(sumTrailer, hex.EncodeToString(sum.Sum(nil)))
	case out.begun:
		panic(http.ErrAbortHandler) // so that the other end sees no end
	default:
		w.Header().Del("Trailer")
		refuse(w, err)
	}
}

// patient waits for one who reads, and not for one who does not.
type patient struct {
	http.ResponseWriter
	begun bool
}

func (p *patient) Write(b []byte) (int, error) {
	p.begun = true
	if err := http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

func (h *storeHandler) check(w http.ResponseWriter, r *http.Request) {
	c, err := h.call(r, "store.check")
	if err != nil {
		refuse(w, err)
		return
	}
	found, err := h.service.Verify(r.Context(), c, h.store)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found) // who is gone needs no answer
}

// refuse tells a command why. It is on this machine and may know the cause.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_ = json.NewEncoder(w).Encode(storeError{Kind: secret.KindOf(err).Error(), Detail: words(err)}) // likewise
}
