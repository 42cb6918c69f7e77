// Package httpd serves the dialects on one listener and what operators watch
// on another. It knows neither secrets nor vendors.
package httpd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/internal/current"
	"github.com/vaultferry/vaultferry/gateway/tracing"
)

// Options make a Server. TLS may be nil on a loopback address alone.
type Options struct {
	Service  *gateway.Service
	Dialects []dialects.Dialect // the last one takes what no other does
	Address  string
	TLS      *tls.Config
	Admin    Admin
	Metrics  *Metrics
	Log      *slog.Logger
	Proxies  Proxies
	// MaxConnections is how many connections of clients are open at once, of
	// which a quarter may be of one network. Default: DefaultConnections.
	MaxConnections int
	// Pace slows down networks that connect again and again and prove nothing.
	// Nil: none.
	Pace *access.Pace
	// Local is the address of a listener for programs on this machine, plain HTTP on
	// loopback, which serves what UseLocal says. Empty: there is none.
	Local string
	// Inherited are listeners that somebody else opened. Nil: Address and Admin
	// are listened on.
	Inherited Inherited
	// Locked is how many keys and networks have to wait before they may log in
	// again. Nil: not known.
	Locked func() int
	// Budgets are the room that requests share. Nil: not known.
	Budgets func() []Budget
	// Tracer makes spans of clients' requests. Nil: none.
	Tracer *tracing.Tracer
	// ShutdownDelay is how long Run goes on to serve after its context has ended,
	// while /readyz says that the gateway stops.
	ShutdownDelay time.Duration
	// Stopping is true from when /readyz says so on. Nil: nobody else looks at it.
	Stopping *atomic.Bool
}

// Inherited are listeners that outlive the server: who connects between two
// servers waits instead of being refused.
type Inherited struct{ Main, Admin net.Listener }

// DefaultConnections is Options.MaxConnections where nobody says so.
const DefaultConnections = 4096

// fewConnections are open at once on the listener for operators, and on the local
// one. Who asks there is on this machine, or has few of them.
const fewConnections = 256

// Bounds on one connection. A write may wait for a product and then send a
// large blob to a slow client.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute
	writeTimeout      = 5 * time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	shutdownTimeout   = 30 * time.Second

	// HTTP/2 takes bodies before anybody asks for them: so much of them on one
	// connection, however many streams it has.
	streams      = 64
	streamBuffer = 64 << 10
	connBuffer   = 128 << 10
)

// suites are those of TLS 1.2 that are not broken: with forward secrecy, and
// authenticated. TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Server is the gateway's listeners.
type Server struct {
	log         *slog.Logger
	proxies     Proxies
	most        int
	pace        *access.Pace
	trees       current.Value[tree] // what requests that begin now go to
	tls         atomic.Pointer[tls.Config]
	local       atomic.Pointer[http.Handler]
	main, admin *http.Server
	own         *http.Server // nil: no local listener
	ownLn       net.Listener
	inherited   Inherited
	connections *connections // nil before Listen
	locked      func() int   // logins that wait; nil: not known
	budgets     func() []Budget
	mainLn      net.Listener
	adminLn     net.Listener

	delay                 time.Duration
	wait                  func(time.Duration)
	stopping              *atomic.Bool
	arrivals, ownArrivals *arrivals
}

// Handler routes requests to the dialects. Paths are neither cleaned nor
// decoded: one dialect's are signed as they are.
func Handler(ds []dialects.Dialect) http.Handler {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, d := range ds {
		d.Mount(r)
	}
	return r
}

// New returns a server that does not listen yet.
func New(o Options) (*Server, error) {
	s := &Server{log: o.Log, proxies: o.Proxies, most: cmp.Or(o.MaxConnections, DefaultConnections), pace: o.Pace, inherited: o.Inherited, arrivals: newArrivals(), ownArrivals: newArrivals(), locked: o.Locked, budgets: o.Budgets, delay: o.ShutdownDelay, stopping: cmp.Or(o.Stopping, new(atomic.Bool)), wait: func(d time.Duration) { <-time.After(d) }}
	address := o.Address
	if o.Inherited.Main != nil {
		address = o.Inherited.Main.Addr().String()
	}
	if o.TLS == nil && !loopback(address) {
		return nil, fmt.Errorf("httpd: %s is not loopback: TLS cannot be off", address)
	}
	s.Use(o.Service, o.Dialects)
	var clients http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.arrivals.begins(r)
		if s.stopping.Load() {
			w.Header().Set("Connection", "close") // the client connects again, elsewhere
		}
		t := s.trees.Use()
		defer t.Done()
		ctx, sent := gateway.Answering(r.Context())
		t.V.handler.ServeHTTP(w, r.WithContext(ctx))
		if r.Context().Err() == nil { // else the client has gone, and was told nothing
			sent()
		}
	})
	if o.Tracer != nil {
		clients = o.Tracer.Handler(clients)
	}
	s.main = s.server(o.Address, o.Proxies.handler(clients))
	s.arrivals.watch(s.main)
	if o.TLS != nil {
		s.UseTLS(o.TLS)
		s.main.TLSConfig = &tls.Config{
			MinVersion:         tls.VersionTLS12,
			GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { return challenge(s.tls.Load(), h), nil },
		}
	}
	if o.Local != "" {
		if !loopback(o.Local) {
			return nil, fmt.Errorf("httpd: %s is not loopback: it speaks plain HTTP", o.Local)
		}
		s.own = s.server(o.Local, http.HandlerFunc(s.serveLocal))
		s.ownArrivals.watch(s.own)
	}
	if o.Admin.Address != "" || o.Inherited.Admin != nil {
		if err := o.Admin.checkInherited(o.Inherited.Admin); err != nil {
			return nil, err
		}
		s.admin = s.server(o.Admin.Address, o.Admin.handler(s, o.Metrics))
		s.admin.TLSConfig = o.Admin.TLS
	}
	return s, nil
}

// tree is one service with its dialects.
type tree struct {
	service *gateway.Service
	handler http.Handler
}

// Use leads requests that begin from now on to these dialects, of this service.
// Those that run end as they began; then the channel is closed.
func (s *Server) Use(service *gateway.Service, ds []dialects.Dialect) (idle <-chan struct{}) {
	return s.trees.Replace(tree{service, Handler(ds)})
}

// Service is the one that requests that begin now are served by.
func (s *Server) Service() *gateway.Service { return s.trees.Look().service }

// UseLocal leads requests to the local listener that begin from now on to h.
func (s *Server) UseLocal(h http.Handler) { s.local.Store(&h) }

func (s *Server) serveLocal(w http.ResponseWriter, r *http.Request) {
	s.ownArrivals.begins(r)
	if h := s.local.Load(); h != nil && *h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// UseTLS gives connections that begin from now on this certificate, and asks them
// for certificates of these authorities, also where they resume a session of
// before. The server must have begun with TLS.
func (s *Server) UseTLS(c *tls.Config) {
	c = c.Clone()
	c.MinVersion = max(tls.VersionTLS12, c.MinVersion)
	c.CipherSuites = suites
	c.NextProtos = []string{"h2", "http/1.1", "http/1.0"} // of a client that knows only others the handshake fails
	s.tls.Store(c)
}

func (s *Server) server(address string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: address, Handler: h,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: streams, MaxReceiveBufferPerStream: streamBuffer, MaxReceiveBufferPerConnection: connBuffer},
		ErrorLog: log.New(&faults{log: s.log, now: time.Now}, "", 0),
	}
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Listen opens both listeners, so that port 0 becomes a real one, or takes those
// that are inherited.
func (s *Server) Listen(ctx context.Context) error {
	var err error
	if s.mainLn, err = listen(ctx, s.inherited.Main, s.main.Addr); err != nil {
		return fmt.Errorf("httpd: %w", err)
	}
	s.connections = bounded(s.mainLn, s.most, s.pace, s.proxies.trusts)
	s.mainLn = s.arrivals.listen(s.proxies.listener(s.connections))
	if s.own != nil {
		if s.ownLn, err = listen(ctx, nil, s.own.Addr); err != nil {
			return errors.Join(fmt.Errorf("httpd: local: %w", err), s.mainLn.Close())
		}
		s.ownLn = s.ownArrivals.listen(few(s.ownLn))
	}
	if s.admin == nil {
		return nil
	}
	if s.adminLn, err = listen(ctx, s.inherited.Admin, s.admin.Addr); err != nil {
		err = errors.Join(fmt.Errorf("httpd: admin: %w", err), s.mainLn.Close())
		if s.ownLn != nil {
			err = errors.Join(err, s.ownLn.Close())
		}
		return err
	}
	s.adminLn = few(s.adminLn)
	return nil
}

// few bounds the connections of a listener that is not for clients. Programs on
// this machine share one address, so they have no quarter.
func few(l net.Listener) net.Listener {
	return bounded(l, fewConnections, nil, func(address string) bool { return loopback(net.JoinHostPort(address, "0")) })
}

func listen(ctx context.Context, inherited net.Listener, address string) (net.Listener, error) {
	if inherited != nil {
		return inherited, nil
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}

// Address is where the dialects are served, or empty before Listen.
func (s *Server) Address() string {
	if s.mainLn == nil {
		return ""
	}
	return s.mainLn.Addr().String()
}

// AdminAddress is where the admin listener is, or empty.
func (s *Server) AdminAddress() string {
	if s.adminLn == nil {
		return ""
	}
	return s.adminLn.Addr().String()
}

// LocalAddress is where the local listener is, or empty.
func (s *Server) LocalAddress() string {
	if s.ownLn == nil {
		return ""
	}
	return s.ownLn.Addr().String()
}

// Run serves until ctx ends and the shutdown delay is over, then lets running
// requests finish. It listens first if Listen was not called.
func (s *Server) Run(ctx context.Context) error {
	if s.mainLn == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		serve := func() error { return s.main.Serve(s.mainLn) }
		if s.main.TLSConfig != nil {
			serve = func() error { return s.main.ServeTLS(s.mainLn, "", "") }
		}
		return s.ended(serve())
	})
	if s.own != nil {
		g.Go(func() error { return s.ended(s.own.Serve(s.ownLn)) })
	}
	if s.admin != nil {
		g.Go(func() error {
			if s.admin.TLSConfig != nil {
				return closed(s.admin.ServeTLS(s.adminLn, "", ""))
			}
			return closed(s.admin.Serve(s.adminLn))
		})
	}
	g.Go(func() error {
		<-gctx.Done()
		if ctx.Err() != nil {
			s.drain()
		}
		return s.shutdown(context.WithoutCancel(ctx))
	})
	return g.Wait()
}

// ended is closed for a listener that a stop closes by itself.
func (s *Server) ended(err error) error {
	if s.stopping.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return closed(err)
}

func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("httpd: %w", err)
}

// drain has load balancers find out that the gateway stops, before it does. Each
// answer from now on ends its connection, so clients connect again elsewhere.
func (s *Server) drain() {
	s.stopping.Store(true)
	if s.delay > 0 {
		s.log.Info("stopping", slog.Duration("shutdown_delay", s.delay))
		s.wait(s.delay) // a second signal ends the process
	}
}

// shutdown serves whoever has got through, and no others. It stops the admin
// listener last, so that operators can watch.
func (s *Server) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	s.stopping.Store(true)
	err := finish(ctx, s.main, s.mainLn, s.arrivals)
	if err != nil {
		s.log.Warn("requests were cut off at shutdown", slog.Any("error", err))
		err = s.main.Close()
	}
	if s.own != nil {
		err = errors.Join(err, finish(ctx, s.own, s.ownLn, s.ownArrivals))
	}
	if s.admin != nil {
		err = errors.Join(err, s.admin.Close())
	}
	return err
}
