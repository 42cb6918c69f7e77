package main

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/gateway/httpd"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/internal/pemfile"
)

// edge is what the dialects share, and what a reload leaves as it is: who has
// failed to log in, the room for what is sent, and the keys of issuers.
type edge struct {
	throttle *access.Throttle
	limits   *wire.Limits
	sources  *issuer.Sources
	stopping *atomic.Bool // the server's
}

func (a *app) newEdge(cfg *config.Config, metrics *httpd.Metrics) *edge {
	limits := wire.NewLimits(int64(cfg.Server.MaxBody), cfg.Server.MaxBlobs)
	limits.Pace = access.NewPace(a.now)
	limits.Rates = access.NewRates(a.now, metrics.RateLimited)
	limits.Rates.Use(cfg.Rates())
	return &edge{access.NewThrottle(a.now), limits, issuer.NewSources(metrics), new(atomic.Bool)}
}

// budgets are those of the dialects, for metrics.
func (e *edge) budgets() (out []httpd.Budget) {
	for _, b := range e.limits.Budgets() {
		out = append(out, httpd.Budget(b))
	}
	return out
}

// server puts the dialects and the listeners before the service. tlsConfig
// may be nil: no TLS.
func (a *app) server(rt *runtime, tlsConfig *tls.Config, inherited httpd.Inherited) (*httpd.Server, error) {
	var err error
	if rt.witness, err = a.witness(rt, rt.edge.limits); err != nil {
		return nil, err
	}
	if rt.witness != nil {
		rt.metrics.WatchSeat(rt.witness.Counts)
	}
	rt.tls = tlsConfig
	mounted, err := a.dialects(rt)
	if err != nil {
		return nil, err
	}
	admin, err := adminListener(rt.cfg.Admin)
	if err != nil {
		return nil, err
	}
	build := readVersion()
	rt.metrics.Built(build.Version, build.Revision)
	server, err := httpd.New(httpd.Options{
		Service: rt.service, Dialects: mounted,
		Address: rt.cfg.Server.Address, TLS: tlsConfig, Admin: admin, Local: rt.cfg.ManagedIdentity.Address, Metrics: rt.metrics, Log: rt.log,
		MaxConnections: rt.cfg.Server.MaxConnections, Pace: rt.edge.limits.Pace,
		Locked: rt.edge.throttle.Waiting, Budgets: rt.edge.budgets, Tracer: rt.tracer, Inherited: inherited, ShutdownDelay: rt.cfg.Server.ShutdownDelay, Stopping: rt.edge.stopping,
		Proxies: httpd.Proxies{Trusted: rt.cfg.Server.Proxies(), Protocol: rt.cfg.Server.ProxyProtocol},
	})
	if err != nil {
		return nil, err
	}
	server.UseLocal(rt.local)
	return server, nil
}

// dialects are the APIs, each for the callers and routes of the configuration.
func (a *app) dialects(rt *runtime) ([]dialects.Dialect, error) {
	creds, err := credentials(rt)
	if err != nil {
		return nil, err
	}
	rt.callersEnd = endsOfCallers(rt, a.now())
	issuers, err := a.issuers(rt)
	if err != nil {
		return nil, err
	}
	creds.Trust(issuers.Bearer)
	azureDialect, err := a.azure(rt, creds)
	if err != nil {
		return nil, err
	}
	huaweiDialect, err := a.huawei(rt, creds)
	if err != nil {
		return nil, err
	}
	mounted := []dialects.Dialect{huaweiDialect, azureDialect} // azure takes every other path
	if l, err := a.login(rt, creds, issuers); err != nil {
		return nil, err
	} else if l != nil {
		mounted = append([]dialects.Dialect{l}, mounted...) // and the login every path of its host
	}
	if rt.witness != nil {
		mounted = append([]dialects.Dialect{rt.witness}, mounted...)
	}
	return mounted, nil
}

func (a *app) azure(rt *runtime, creds *access.Credentials) (*azure.Dialect, error) {
	o := azure.Options{
		Service: rt.service, Credentials: creds, Throttle: rt.edge.throttle, Now: a.now, MaxBlob: int64(rt.cfg.Server.MaxBody), Limits: rt.edge.limits,
		Authority: rt.cfg.Dialects.Azure.Authority, Login: rt.cfg.Login.Host, Resource: rt.cfg.Dialects.Azure.Resource, Stopping: rt.edge.stopping.Load,
	}
	for _, r := range rt.cfg.Dialects.Azure.Routes {
		o.Routes = append(o.Routes, azure.Route{Host: r.Host, Store: r.Store, Prefix: r.Prefix, Resource: r.Resource})
	}
	return azure.New(o)
}

func (a *app) huawei(rt *runtime, creds *access.Credentials) (*huawei.Dialect, error) {
	users, err := a.users(rt, creds)
	if err != nil {
		return nil, err
	}
	o := huawei.Options{
		Service: rt.service, Events: events.New(rt.service, rt.recorder), Credentials: creds, IAM: users, SignedHost: rt.cfg.Dialects.Huawei.RequireSignedHost,
		Throttle: rt.edge.throttle, Now: a.now, MaxBlob: int64(rt.cfg.Server.MaxBody), Limits: rt.edge.limits,
	}
	for _, r := range rt.cfg.Dialects.Huawei.Routes {
		o.Routes = append(o.Routes, huawei.Route{Project: r.Project, Name: r.Name, Store: r.Store})
	}
	return huawei.New(o)
}

// adminListener looks for another certificate at each handshake, as nobody reloads it.
func adminListener(c config.Admin) (httpd.Admin, error) {
	a := httpd.Admin{Address: c.Address, Pprof: c.Pprof}
	if !c.Token.IsNone() {
		sum := sha256.Sum256(c.Token.Reveal())
		a.Token = &sum
	}
	if c.TLS.CertFile == "" {
		return a, nil
	}
	pair := &pairFiles{cert: c.TLS.CertFile, key: c.TLS.KeyFile}
	if _, err := pair.read(nil); err != nil {
		return a, &exitError{exitUsage, fmt.Errorf("admin.tls: %w", err)}
	}
	a.TLS = &tls.Config{GetCertificate: pair.read, MinVersion: tls.VersionTLS12}
	return a, nil
}

// serverTLS reads the configured certificate, or leaves it to ACME. Nil without
// error: TLS is off.
func serverTLS(s config.Server, acme *httpd.ACME) (*tls.Config, error) {
	if s.TLS.Off {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var certErr, err error
	if s.TLS.ACME.Directory == "" {
		c.Certificates = make([]tls.Certificate, 1)
		c.Certificates[0], certErr = serverCert(s)
	} else if acme != nil {
		c.GetCertificate = acme.Certificate
	}
	c.ClientCAs, err = clientAuthorities(s)
	switch {
	case certErr != nil || err != nil:
		return nil, errors.Join(certErr, err)
	case c.ClientCAs == nil:
		return c, nil
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if s.ClientAuth == config.ClientAuthRequest {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}

func serverCert(s config.Server) (cert tls.Certificate, err error) {
	if cert, err = pemfile.Pair(s.TLS.CertFile, s.TLS.KeyFile); err != nil {
		return cert, &exitError{exitUsage, fmt.Errorf("server.tls: %w", err)}
	}
	return cert, nil
}

// newACME gets certificates for nobody yet. Nil without error: it is not configured.
func newACME(cfg *config.Config, log *slog.Logger) (*httpd.ACME, error) {
	c := cfg.Server.TLS.ACME
	if c.Directory == "" {
		return nil, nil
	}
	o := httpd.ACMEOptions{Directory: c.Directory, Dir: c.Dir, Email: c.Email, Log: log}
	if c.CAFile != "" {
		var err error
		if o.Roots, err = poolOf("server.tls.acme.ca_file", c.CAFile); err != nil {
			return nil, err
		}
	}
	return httpd.NewACME(o), nil
}

// certify gets certificates for the hosts of the configuration, where ACME does.
func (rt *runtime) certify() {
	if rt.acme != nil {
		rt.acme.UseHosts(rt.cfg.CertifiedHosts())
	}
}
