package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/current"
	"github.com/vaultferry/vaultferry/gateway/tracing"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	// stallTimeout is how long one who does not read keeps a stream from its
	// end: a store's file cannot use again what is freed meanwhile.
	stallTimeout = time.Minute
	// shutdownTimeout is what running calls get when the gateway ends.
	shutdownTimeout   = 30 * time.Second
	readHeaderTimeout = 10 * time.Second
)

// Options make a Server. All fields are needed, but for the last ones.
type Options struct {
	Service *gateway.Service
	Socket  string // the path
	Stores  []Store
	Log     *slog.Logger
	// Reload reads the configuration again. Nil: this gateway cannot.
	Reload func(gateway.Call) (Reloaded, error)
	// Overview is how the gateway fares. Nil: nobody keeps it.
	Overview func() Overview
	// Tracer makes spans of the operations. Nil: none.
	Tracer *tracing.Tracer
}

// Reloaded is what became of a reload. Where Problems or Restart is not empty,
// nothing has changed.
type Reloaded struct {
	Changed  []string `json:"changed"`            // parts of the configuration
	Restart  []string `json:"restart,omitempty"`  // parts that count after a restart alone
	Problems []string `json:"problems,omitempty"` // of the file
}

// Store is what a command needs to know to tell whether a gateway holds a
// store.
type Store struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	File string `json:"file,omitempty"` // of a store that is one
}

// Status is what a gateway says of itself.
type Status struct {
	Gateway string  `json:"gateway"` // its id
	PID     int     `json:"pid"`
	Stores  []Store `json:"stores"`
}

// Store returns the store of that name.
func (s Status) Store(name string) (Store, bool) {
	for _, st := range s.Stores {
		if st.Name == name {
			return st, true
		}
	}
	return Store{}, false
}

// Server serves one gateway's commands.
type Server struct {
	held   current.Value[held]
	path   string
	socket fs.FileInfo
	ln     net.Listener
	http   *http.Server
	open   sync.WaitGroup // connections
	close  func() error
}

// held is a service, and what it says of itself.
type held struct {
	service *gateway.Service
	status  Status
}

// Listen takes the socket: a stale one is replaced, another gateway's is
// ErrLive. Nobody is answered before Run. The caller must Close it, before the
// service.
func Listen(ctx context.Context, o Options) (*Server, error) {
	s := &Server{path: o.Socket}
	s.Use(o.Service, o.Stores)
	var err error
	if s.ln, s.socket, err = listen(ctx, o.Socket); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, e := range operations(func() Status { return s.held.Look().status }, &o) {
		mux.HandleFunc("POST "+version+e.id(), func(w http.ResponseWriter, r *http.Request) {
			e.serve(s, &stallGuard{ResponseWriter: w}, r)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, secret.Errorf(secret.Unsupported, "the running gateway does not know this operation: it is of another release than this command"))
	})
	s.http = &http.Server{
		Handler: o.Tracer.Commands(mux), ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: stallTimeout,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { // before Serve accepts another
			s.open.Add(1)
			return context.WithValue(ctx, peerKey{}, peerOf(c))
		},
		ConnState: func(_ net.Conn, state http.ConnState) { // after the last call on it
			if state == http.StateClosed {
				s.open.Done()
			}
		},
	}
	s.close = sync.OnceValue(s.cutOff)
	return s, nil
}

// Use answers calls that begin from now on by this service, with these stores.
// Those that run end as they began; then the channel is closed.
func (s *Server) Use(service *gateway.Service, stores []Store) (idle <-chan struct{}) {
	return s.held.Replace(held{service, Status{Gateway: service.Gateway(), PID: os.Getpid(), Stores: stores}})
}

// Run serves until ctx ends, then lets running calls finish for a while.
func (s *Server) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.ln) }()
	select {
	case err := <-ended:
		if errors.Is(err, http.ErrServerClosed) { // by Close
			err = nil
		}
		return errors.Join(err, s.Close())
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	_ = s.http.Shutdown(grace) // what does not finish is cut off
	return s.Close()
}

// Close cuts off whoever is served, waits until their calls are audited, and
// removes the socket. A second call does nothing.
func (s *Server) Close() error { return s.close() }

func (s *Server) cutOff() error {
	err := errors.Join(s.http.Close(), ignoreClosed(s.ln.Close()))
	s.open.Wait()
	if there, e := os.Lstat(s.path); e == nil && os.SameFile(there, s.socket) { // not another's
		err = errors.Join(err, os.Remove(s.path))
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// callOf is who asks, and what for.
func callOf[Q any](r *http.Request, q request[Q]) gateway.Call {
	p, _ := r.Context().Value(peerKey{}).(peer)
	return gateway.Call{
		Caller: access.Local(p.user), Op: q.Op, RequestID: q.RequestID, NativeBlobs: true, TellTrash: true,
		Timeout: max(q.Timeout, 0),
	}
}

// endpoint is a row of the table, to be served.
type endpoint interface {
	id() string
	serve(s *Server, w *stallGuard, r *http.Request)
}

func (o operation[Q, A]) id() string { return o.name }
func (o stream[Q]) id() string       { return o.name }

// admit reads what is asked, by somebody who may ask.
func admit[Q any](w http.ResponseWriter, r *http.Request) (q request[Q], ok bool) {
	p, known := r.Context().Value(peerKey{}).(peer)
	err := p.err
	if !known {
		err = secret.Errorf(secret.Unauthenticated, "the system does not say who asks")
	}
	if err != nil {
		refuse(w, http.StatusForbidden, err)
		return q, false
	}
	if q, err = read[Q](w, r); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return q, false
	}
	return q, true
}

func (o operation[Q, A]) serve(s *Server, w *stallGuard, r *http.Request) {
	q, ok := admit[Q](w, r)
	if !ok {
		return
	}
	h := s.held.Use()
	defer h.Done()
	ctx, asked := counting(r.Context())
	result, err := o.do(ctx, h.V.service, callOf(r, q), q.Args)
	if err != nil {
		respond(w, http.StatusUnprocessableEntity, answer[A]{result, failureOf(err), asked()})
		return
	}
	respond(w, http.StatusOK, answer[A]{Result: result, Asked: asked()})
}

func (o stream[Q]) serve(s *Server, w *stallGuard, r *http.Request) {
	q, ok := admit[Q](w, r)
	if !ok {
		return
	}
	w.Header().Set("Trailer", sumTrailer)
	w.Header().Set("Content-Type", "application/octet-stream")
	sum := sha256.New()
	h := s.held.Use()
	defer h.Done()
	err := o.do(r.Context(), h.V.service, callOf(r, q), q.Args, io.MultiWriter(w, sum))
	switch {
	case err == nil:
		w.Header().Set(sumTrailer, hex.EncodeToString(sum.Sum(nil)))
	case w.begun:
		panic(http.ErrAbortHandler) // so that the other end sees no end
	default:
		w.Header().Del("Trailer")
		refuse(w, http.StatusUnprocessableEntity, err)
	}
}

// stallGuard waits for one who reads, and not for one who does not.
type stallGuard struct {
	http.ResponseWriter
	begun bool
}

// Write implements io.Writer.
func (g *stallGuard) Write(b []byte) (int, error) {
	g.begun = true
	if err := http.NewResponseController(g.ResponseWriter).SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	return g.ResponseWriter.Write(b)
}
