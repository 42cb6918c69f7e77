package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/control"
	"github.com/vaultferry/vaultferry/gateway/httpd"
)

func (a *app) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the running gateway read its configuration again",
		Long: `The running gateway takes callers, groups, the policy, routes, the login and its
certificates from its configuration file, and from files that it refers to, and
says what has changed. It takes all of it or nothing: an invalid file, or a change that counts
after a restart alone, changes nothing. Running requests end as they began.

SIGHUP does the same.`,
		Example: `  vaultferry reload`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, err := a.loadUnresolved()
			if err != nil {
				return err
			}
			if cfg.Control.Socket == "" {
				return usagef("control.socket is off, so a running gateway cannot be asked: send it SIGHUP")
			}
			c, err := control.Connect(cmd.Context(), cfg.Control.Socket)
			if err != nil {
				return fmt.Errorf("%s: %w", cfg.Control.Socket, err)
			}
			defer func() { err = errors.Join(err, c.Close()) }()
			done, err := c.Reload(cmd.Context(), a.call("reload"))
			if err != nil {
				return err
			}
			return a.printReloaded(done)
		},
	}
}

// printReloaded: an invalid file is 2, as everywhere.
func (a *app) printReloaded(done control.Reloaded) error {
	err := a.print(done, func(w io.Writer) error {
		var rows [][]string
		for _, p := range done.Problems {
			rows = append(rows, []string{"error", p})
		}
		for _, key := range done.Restart {
			rows = append(rows, []string{"restart", key + " has changed, which counts after a restart alone"})
		}
		for _, key := range done.Changed {
			rows = append(rows, []string{"changed", key})
		}
		switch {
		case len(done.Problems)+len(done.Restart) > 0:
			rows = append(rows, []string{"nothing", "the gateway goes on as before"})
		case rows == nil:
			rows = append(rows, []string{"nothing", "the configuration is as it was"})
		}
		return table(w, rows)
	})
	switch {
	case err != nil:
		return err
	case len(done.Problems) > 0:
		return &exitError{code: exitUsage}
	case len(done.Restart) > 0:
		return &exitError{code: exitFailed}
	}
	return nil
}

// reloader brings a running gateway to what its configuration says.
type reloader struct {
	app     *app
	address string // of --address
	server  *httpd.Server
	// commands are nil where there is no socket.
	commands *control.Server

	log *slog.Logger

	mu sync.Mutex // one reload after the other
	rt *runtime   // what requests that begin now are served by
}

// reload takes all that has changed, or nothing. It fails where the audit does.
func (r *reloader) reload(call gateway.Call) (control.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	done, next, mounted := r.prepare()
	var err error
	if next != nil {
		err = r.take(call, next, mounted, done.Changed)
	}
	r.rt.metrics.Reloaded(err == nil && next != nil)
	return done, err
}

// hangUp is a reload that a signal asked for.
func (r *reloader) hangUp() {
	if _, err := r.reload(r.app.call("reload")); err != nil {
		r.log.Error("the configuration was not taken", slog.Any("error", err))
	}
}

// prepare makes what comes next. It is nil where done says why there is nothing.
func (r *reloader) prepare() (done control.Reloaded, next *runtime, mounted []dialects.Dialect) {
	refused := func(err error) (control.Reloaded, *runtime, []dialects.Dialect) {
		for _, p := range problems(err) {
			r.log.Error("the configuration was not taken", slog.String("problem", p))
		}
		return control.Reloaded{Changed: []string{}, Problems: problems(err)}, nil, nil
	}
	cfg, warnings, err := r.app.load()
	if err == nil && r.address != "" {
		err = cfg.Listen(r.address)
	}
	if err != nil {
		return refused(err)
	}
	certificates, err := serverTLS(cfg.Server)
	if err != nil {
		return refused(err)
	}
	changed, restart := differing(r.rt.cfg, cfg)
	if !sameTLS(r.rt.tls, certificates) {
		changed = append([]string{"certificates"}, changed...)
	}
	if len(restart) > 0 {
		r.log.Error("the configuration was not taken: a part of it counts after a restart alone", slog.String("changed", strings.Join(restart, ", ")))
		return control.Reloaded{Changed: []string{}, Restart: restart}, nil, nil
	}
	n := *r.rt
	n.cfg, n.tls, n.service = cfg, certificates, r.rt.service.WithPolicy(cfg.AccessPolicy())
	if mounted, err = r.app.dialects(&n); err != nil {
		return refused(err)
	}
	for _, p := range warnings {
		r.log.Warn(p.Message, slog.String("key", p.Path))
	}
	return control.Reloaded{Changed: append([]string{}, changed...)}, &n, mounted
}

// take has the audit say it, and then lets requests in by what comes next.
func (r *reloader) take(call gateway.Call, next *runtime, mounted []dialects.Dialect, changed []string) error {
	digest, err := fileDigest(r.app.configPath())
	if err != nil {
		return err
	}
	e := r.app.auditEntry(audit.OpReload)
	e.Caller, e.Via, e.RequestID = call.Caller.ID, call.Caller.Via, call.RequestID
	e.File, e.Digest, e.Reason = r.app.configPath(), digest, "changed: "+strings.Join(changed, ", ")
	if len(changed) == 0 {
		e.Reason = "nothing changed"
	}
	if err := r.rt.audit.Write(e, true); err != nil {
		return err
	}
	if next.tls != nil {
		r.server.UseTLS(next.tls)
	}
	r.server.Use(mounted)
	if r.commands != nil {
		r.commands.Use(next.service)
	}
	r.rt = next
	r.log.Info("the configuration was taken", slog.String("changed", strings.Join(changed, ", ")))
	return nil
}

// sameTLS reports whether two configurations show the same certificate and want
// certificates of the same authorities.
func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a.Certificates[0].Certificate, b.Certificates[0].Certificate) && a.ClientAuth == b.ClientAuth && a.ClientCAs.Equal(b.ClientCAs)
}

// problems are the lines of what keeps a configuration from being used.
func problems(err error) (lines []string) {
	bad, ok := errors.AsType[*config.Error](err)
	if !ok {
		return []string{message(err)}
	}
	for _, p := range bad.Problems {
		lines = append(lines, p.String())
	}
	return lines
}

// differing names the parts that differ: those that a running gateway takes, and
// those that it cannot.
func differing(old, next *config.Config) (changed, restart []string) {
	for _, part := range []struct {
		key       string
		old, next any
		restart   bool
	}{
		{"gateway", old.Gateway, next.Gateway, true},
		{"server", withoutFiles(old.Server), withoutFiles(next.Server), true},
		{"admin", old.Admin, next.Admin, true},
		{"control", old.Control, next.Control, true},
		{"keyring", old.Keyring, next.Keyring, true},
		{"audit", old.Audit, next.Audit, true},
		{"archive", old.Archive, next.Archive, true},
		{"stores", storesOf(old), storesOf(next), true},
		{"dialects", old.Dialects, next.Dialects, false},
		{"login", old.Login, next.Login, false},
		{"issuers", old.Issuers, next.Issuers, false},
		{"callers", old.Callers, next.Callers, false},
		{"groups", old.Groups, next.Groups, false},
		{"policy", old.Policy, next.Policy, false},
	} {
		switch {
		case reflect.DeepEqual(part.old, part.next):
		case part.restart:
			restart = append(restart, part.key)
		default:
			changed = append(changed, part.key)
		}
	}
	return changed, restart
}

// withoutFiles leaves out where the certificates are.
func withoutFiles(s config.Server) config.Server {
	s.TLS.CertFile, s.TLS.KeyFile, s.ClientCAFile = "", "", ""
	return s
}

// storesOf are the stores as they stand in the file.
func storesOf(c *config.Config) (all []config.Store) {
	for i := range c.Stores {
		s := &c.Stores[i]
		all = append(all, config.Store{
			Name: s.Name, Backend: s.Backend, ReadOnly: s.ReadOnly, RetentionDays: s.RetentionDays, PurgeProtection: s.PurgeProtection,
			OnLoss: s.OnLoss, Timeout: s.Timeout, Concurrency: s.Concurrency, Sections: s.Sections,
		})
	}
	return all
}
