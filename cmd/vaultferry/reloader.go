package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/control"
	"github.com/vaultferry/vaultferry/gateway/httpd"
)

// reloader brings a running gateway to what its configuration says.
type reloader struct {
	app     *app
	address string // of --address
	server  *httpd.Server
	// commands are nil where there is no socket.
	commands *control.Server

	log   *slog.Logger
	began time.Time

	mu sync.Mutex // one reload after the other
	rt *runtime   // what requests that begin now are served by
	// last is what the files held that the last reload read; failed: it took nothing.
	last     map[string]config.Digest
	failed   bool
	taken    time.Time     // when rt was
	reloaded chan struct{} // has one after a reload
	// shown is for whoever only looks: a reload may wait for a file or a product.
	shown atomic.Pointer[present]

	leaving sync.WaitGroup // stores that are closed after their last request
}

// present is what the last reload has left.
type present struct {
	rt    *runtime
	taken time.Time
	stale bool
}

// show has others see what there is now. The caller holds mu, or is alone.
func (r *reloader) show() { r.shown.Store(&present{r.rt, r.taken, r.failed}) }

// upcoming is what a reload would bring.
type upcoming struct {
	rt      *runtime
	mounted []dialects.Dialect
	stores  storePlan
	change  []string
}

// newReloader is for a gateway that read its configuration just now.
func (a *app) newReloader(rt *runtime, address string) *reloader {
	r := &reloader{began: a.now(), taken: a.now(), app: a, address: address, rt: rt, log: rt.log, last: rt.cfg.Files(), reloaded: make(chan struct{}, 1)}
	r.show()
	return r
}

// reload takes all that has changed, or nothing but another certificate in the place
// of the one that serves. It fails where the audit does.
func (r *reloader) reload(ctx context.Context, call gateway.Call) (control.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reloadLocked(ctx, call, takes)
}

// reloadLocked is reload for who holds mu. One that only tries leaves no trace where
// it takes nothing for now, and one that tries again leaves none where it takes nothing.
func (r *reloader) reloadLocked(ctx context.Context, call gateway.Call, as verdict) (control.Reloaded, error) {
	defer r.show()
	held := config.LookAt(r.rt.cfg.Files())
	next, done := r.prepare(ctx)
	if next == nil {
		renewed, err := r.renewCertificate(call)
		if renewed {
			done.Changed = append(done.Changed, "certificates")
		}
		if as == takes || as == tries && len(done.Problems) == 0 { // nobody writes on what is valid
			r.last, r.failed = held, true
			r.refused(done)
		}
		return done, err
	}
	err := r.take(call, next)
	r.last, r.failed = held, err != nil
	if err == nil {
		r.last = next.rt.cfg.Files()
	}
	r.rt.metrics.Reloaded(err == nil)
	select {
	case r.reloaded <- struct{}{}:
	default:
	}
	return done, err
}

// refused says why nothing was taken.
func (r *reloader) refused(done control.Reloaded) {
	for _, p := range done.Problems {
		r.log.Error("the configuration was not taken", slog.String("problem", p))
	}
	if len(done.Restart) > 0 {
		r.log.Error("the configuration was not taken: a part of it counts after a restart alone", slog.String("changed", strings.Join(done.Restart, ", ")))
	}
	r.rt.metrics.Reloaded(false)
}

// hangUp is a reload that a signal asked for.
func (r *reloader) hangUp(ctx context.Context) {
	if _, err := r.reload(ctx, r.app.call("reload")); err != nil {
		r.log.Error("the configuration was not taken", slog.Any("error", err))
	}
}

// prepare makes what comes next. It is nil where done says why there is nothing.
func (r *reloader) prepare(ctx context.Context) (next *upcoming, done control.Reloaded) {
	next, restart, err := r.next(ctx)
	done = control.Reloaded{Changed: []string{}, Restart: restart}
	switch {
	case err != nil:
		done.Problems = problems(err)
		return nil, done
	case len(restart) > 0:
		return nil, done
	}
	done.Changed = append(done.Changed, next.change...)
	return next, done
}

// next reads everything first, and opens stores last. restart are the parts that
// a running gateway cannot take. err joins every problem.
func (r *reloader) next(ctx context.Context) (_ *upcoming, restart []string, err error) {
	was := r.rt
	read, err := interruptible(ctx, func() (*fromFiles, error) { return r.read(ctx, was) })
	if err != nil {
		return nil, nil, err
	}
	n, wrong := read.rt, read.wrong
	u := &upcoming{rt: n}
	if u.change, restart, err = differing(r.rt, n); err != nil {
		return nil, nil, err
	}
	u.stores = planStores(r.rt.cfg, n.cfg)
	u.change, restart = append(u.change, u.stores.changed...), append(restart, u.stores.restart...)
	if wrong != nil || len(restart) > 0 { // nothing is taken, and all of it is told
		_, err := r.app.openPlanned(ctx, u, false)
		return nil, restart, errors.Join(wrong, err, closeStores(u.stores.opened))
	}
	if err := r.build(ctx, u); err != nil {
		return nil, nil, err
	}
	for _, p := range read.warnings {
		r.log.Warn(p.Message, slog.String("key", p.Path))
	}
	return u, nil, nil
}

// build opens what is new, and puts the service and the dialects over it.
func (r *reloader) build(ctx context.Context, u *upcoming) error {
	stores, err := r.app.openPlanned(ctx, u, true)
	if err != nil {
		return errors.Join(err, closeStores(u.stores.opened))
	}
	u.rt.service, err = r.rt.service.With(ctx, gateway.Next{
		Policy: u.rt.cfg.AccessPolicy(), Keyring: u.rt.keys, RequireProof: u.rt.cfg.Keyring.RequireProof,
		Archive: archive.Dir(u.rt.cfg.Archive.Dir), Stores: stores,
	})
	if err == nil {
		u.mounted, err = r.app.dialects(u.rt)
	}
	if err != nil {
		return errors.Join(err, closeStores(u.stores.opened))
	}
	return nil
}

// take has the audit say it, and then lets requests in by what comes next.
func (r *reloader) take(call gateway.Call, next *upcoming) error {
	if err := r.audit(call, next); err != nil {
		return errors.Join(err, closeStores(next.stores.opened))
	}
	if next.rt.tls != nil {
		r.server.UseTLS(next.rt.tls)
	}
	signer, _, _ := next.rt.keys.Signer()
	next.rt.audit.UseSigner(signer)
	if next.rt.witness != nil {
		next.rt.witness.UseSigner(signer)
	}
	next.rt.edge.limits.Rates.Use(next.rt.cfg.Rates())
	next.rt.certify()
	next.rt.service.Begin()
	r.server.UseLocal(next.rt.local)
	idle := []<-chan struct{}{r.server.Use(next.rt.service, next.mounted)}
	if r.commands != nil {
		idle = append(idle, r.commands.Use(next.rt.service, next.stores.held))
	}
	r.leave(r.rt.service, next.rt.service, idle)
	if next.rt.source != r.rt.source {
		err := errors.Join(closeSource(r.rt.source), keepSource(next.rt.source))
		if err != nil {
			r.log.Warn("the way to the keyring", slog.Any("error", err))
		}
	}
	r.rt, r.taken = next.rt, r.app.now()
	r.log.Info("the configuration was taken", slog.String("changed", strings.Join(next.change, ", ")))
	return nil
}

// leave closes the stores that are gone when the last request is over that may use
// them.
func (r *reloader) leave(before, next *gateway.Service, idle []<-chan struct{}) {
	r.leaving.Go(func() {
		for _, over := range idle {
			<-over
		}
		if err := before.CloseAllBut(next); err != nil {
			r.log.Error("a store that was removed could not be closed", slog.Any("error", err))
		}
	})
}

// close ends what the gateway runs by now, when nobody is served any more.
func (r *reloader) close() error {
	r.leaving.Wait()
	return errors.Join(r.rt.close(), closeSource(r.rt.source))
}

func (r *reloader) audit(call gateway.Call, next *upcoming) error {
	e := r.app.auditEntry(audit.OpReload)
	e.Caller, e.Via, e.RequestID = call.Caller.ID, call.Caller.Via, call.RequestID
	e.File, e.Digest, e.Reason = r.app.configPath(), next.rt.cfg.Digest().String(), "changed: "+strings.Join(next.change, ", ")
	if len(next.change) == 0 {
		e.Reason = "nothing changed"
	}
	return r.rt.audit.Write(e, true)
}

// sameTLS reports whether two configurations show the same certificate and want
// certificates of the same authorities.
func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	chain := func(c *tls.Config) (all [][][]byte) { // none where ACME has them
		for i := range c.Certificates {
			all = append(all, c.Certificates[i].Certificate)
		}
		return all
	}
	return reflect.DeepEqual(chain(a), chain(b)) && a.ClientAuth == b.ClientAuth && a.ClientCAs.Equal(b.ClientCAs)
}

// problems are the lines of what keeps a configuration from being used.
func problems(err error) (lines []string) {
	if many, ok := err.(interface{ Unwrap() []error }); ok && err.Error() == errors.Join(many.Unwrap()...).Error() {
		for _, e := range many.Unwrap() {
			lines = append(lines, problems(e)...)
		}
		return lines
	}
	bad, ok := errors.AsType[*config.Error](err)
	if !ok {
		return []string{message(err)}
	}
	for _, p := range bad.Problems {
		lines = append(lines, p.String())
	}
	return lines
}

// part is a section of the configuration. A running gateway takes it, unless it
// counts after a restart alone.
type part struct {
	key     string
	of      func(*config.Config) any
	restart bool
}

// parts are all sections but gateway, keyring, stores and callers_file, which are compared in
// their own ways.
func parts() []part {
	return []part{
		{"server", func(c *config.Config) any { return withoutFiles(c.Server) }, true},
		{"admin", func(c *config.Config) any { return c.Admin }, true},
		{"control", func(c *config.Config) any { return c.Control }, true},
		{"audit", func(c *config.Config) any { return c.Audit }, true},
		{"log", func(c *config.Config) any { return c.Log }, true},
		{"traces", func(c *config.Config) any { return c.Traces }, true},
		{"reload", func(c *config.Config) any { return c.Reload }, false},
		{"archive", func(c *config.Config) any { return c.Archive }, false},
		{"dialects", func(c *config.Config) any { return c.Dialects }, false},
		{"login", func(c *config.Config) any { return c.Login }, false},
		{"managed_identity", func(c *config.Config) any { return c.ManagedIdentity }, true},
		{"issuers", func(c *config.Config) any { return c.Issuers }, false},
		{"callers", func(c *config.Config) any { return c.Callers }, false},
		{"groups", func(c *config.Config) any { return c.Groups }, false},
		{"policy", func(c *config.Config) any { return c.Policy }, false},
	}
}

// differing names the parts that differ, but for stores: those that a running
// gateway takes, and those that it cannot.
func differing(old, next *runtime) (changed, restart []string, err error) {
	if !sameTLS(old.tls, next.tls) {
		changed = append(changed, "certificates")
	} else if old.acme != nil && !slices.Equal(old.cfg.CertifiedHosts(), next.cfg.CertifiedHosts()) {
		changed = append(changed, "certificates")
	}
	same, err := sameKeyring(old.keys, next.keys)
	if err != nil {
		return nil, nil, err
	}
	was, is := old.cfg, next.cfg
	if !same || !reflect.DeepEqual(was.Keyring, is.Keyring) {
		changed = append(changed, "keyring")
	}
	if gatewayID(was, old.keys) != gatewayID(is, next.keys) {
		restart = append(restart, "gateway.id")
	}
	if gatewayName(was) != gatewayName(is) {
		restart = append(restart, "gateway.name")
	}
	if !reflect.DeepEqual(old.callers, next.callers) {
		changed = append(changed, "callers_file")
	}
	for _, part := range parts() {
		switch {
		case config.Same(was, is, part.of):
		case part.restart:
			restart = append(restart, part.key)
		default:
			changed = append(changed, part.key)
		}
	}
	return changed, restart, nil
}

func sameKeyring(a, b *backup.Keyring) (bool, error) {
	old, err := a.Reveal()
	if err != nil {
		return false, err
	}
	next, err := b.Reveal()
	return bytes.Equal(old, next), err
}

// withoutFiles leaves out where the certificates are, for whom, and who must have
// one.
func withoutFiles(s config.Server) config.Server {
	s.TLS.CertFile, s.TLS.KeyFile, s.ClientCAFile, s.ClientAuth, s.TLS.ACME.Hosts = "", "", "", "", nil
	return s
}
