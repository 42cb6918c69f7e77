package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/control"
	"github.com/vaultferry/vaultferry/gateway/httpd"
	"github.com/vaultferry/vaultferry/internal/heap"
	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) serveCommand() *cobra.Command {
	var dev bool
	var d devFlags
	var address string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Serves both APIs until a signal tells it to stop. It then goes on for
server.shutdown_delay, after which running requests have 30 seconds to finish;
a second signal ends it at once. Sockets that systemd passes are served instead
of server.address and, if one is named admin, admin.address. Commands on this
machine use the running gateway through its control socket (control.socket in
the configuration).

SIGHUP moves the audit's file to a name with the time and goes on in another
one. It also reads the configuration again, as vaultferry reload does.

--dev needs no files. It makes two stores in memory, a and b, a CA, a caller dev
who may do everything and a caller reader, and prints lines to paste. Names of
hosts, projects and callers are the same each time. All of it lies in a private
folder that goes away at the end. For automated tests:

  --seed FILE         begins with these secrets, in YAML:
                        a: { greeting: hello, db: { value: x, tags: { team: red } } }
  --dir DIR           keeps the CA and the keyring there for the next time, and
                      has ca.pem and the exports at a place that you know
  --fixed             credentials that are the same each time, and that everybody
                      knows; vaultferry serve --dev --fixed shows them
  --domain NAME       hosts below this name, not below vault.localhost
  --allow-remote      lets --address be one that others reach
  --admin-address A   where /readyz is; 127.0.0.1:8444, or a free port if --address
                      has another port than 8443
`,
		Example: `  vaultferry serve --config /etc/vaultferry/vaultferry.yaml
  vaultferry serve --dev --address 127.0.0.1:0
  vaultferry serve --dev --fixed --allow-remote --address 0.0.0.0:8443 --domain vault.test --seed seed.yaml`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			hangUps := make(chan os.Signal, 1)
			signal.Notify(hangUps, syscall.SIGHUP) // which would end the process
			defer signal.Stop(hangUps)
			if dev {
				return a.serveDev(cmd.Context(), address, d, hangUps)
			}
			if err := d.onlyDev(cmd); err != nil {
				return err
			}
			return a.serve(cmd.Context(), address, hangUps)
		},
	}
	cmd.Flags().BoolVar(&dev, "dev", false, "a gateway to try things with; nothing is kept")
	d.flags(cmd)
	cmd.Flags().StringVar(&address, "address", "", "listen here instead (HOST:PORT; port 0: any free one)")
	return cmd
}

func (a *app) serve(ctx context.Context, address string, hangUps <-chan os.Signal) (err error) {
	if !osfile.Replaces { // see docs/windows.md
		return usagef("the gateway runs on Linux and macOS; here there are the commands, and for tests serve --dev")
	}
	cfg, warnings, err := a.load()
	if err != nil {
		return err
	}
	if address != "" {
		if err := cfg.Listen(address); err != nil {
			return &exitError{exitUsage, fmt.Errorf("--address: %w", err)}
		}
	}
	if err := a.logAs(cfg.Log); err != nil {
		return err
	}
	source, err := a.keyringSource(cfg)
	if err != nil {
		return err
	}
	keys, err := a.awaitKeyring(ctx, source)
	if err != nil {
		return err
	}
	if lacksSigningKey(cfg, keys) {
		return usagef("%s: %s", cfg.Keyring.Key(), noSigningKey)
	}
	acme, err := newACME(cfg, a.log())
	if err != nil {
		return err
	}
	tlsConfig, err := serverTLS(cfg.Server, acme)
	if err != nil {
		return err
	}
	rt, err := a.assemble(ctx, cfg, keys)
	if err != nil {
		return adviseInUse(err, stopFirst)
	}
	rt.acme, rt.source = acme, source
	if err := keepSource(source); err != nil {
		return errors.Join(err, rt.close())
	}
	again := a.newReloader(rt, address)
	defer func() { err = errors.Join(err, again.close()) }()
	warn(rt.log, cfg, warnings)
	if rt.tracer, err = openTracer(ctx, cfg.Traces, rt.log); err != nil {
		return err
	}
	defer closeTracer(ctx, rt.tracer, rt.log)
	inherited, err := inheritedListeners()
	if err != nil {
		return err
	}
	server, err := a.server(rt, tlsConfig, inherited)
	if err != nil {
		return err
	}
	again.server = server
	rt.metrics.TellEnds(again.ends)
	commands, err := a.listenControl(ctx, rt, again)
	if err != nil {
		return err
	}
	again.commands = commands
	if commands != nil {
		defer func() { err = errors.Join(err, commands.Close()) }()
	}
	if err := server.Listen(ctx); err != nil {
		return adviseTaken(err, cfg, server)
	}
	if err := a.begins(rt); err != nil {
		return err
	}
	rt.log.Info("serving", slog.String("address", server.Address()), slog.String("admin", server.AdminAddress()),
		slog.Bool("tls", tlsConfig != nil), slog.Int("stores", len(cfg.Stores)), slog.String("managed_identity", server.LocalAddress()))
	tellSystemd(rt.log, daemon.SdNotifyReady)
	context.AfterFunc(ctx, func() { tellSystemd(rt.log, daemon.SdNotifyStopping) })
	done := rt.keepAudit(ctx, hangUps, func() { again.hangUp(ctx) })
	rt.certify()
	watched := again.watchFiles(ctx)
	err = runServers(ctx, rt, server, commands)
	watched()
	done()
	e := a.auditEntry(audit.OpStop)
	if err != nil {
		e.Result = secret.KindOf(err).Error()
	}
	if err = errors.Join(err, rt.audit.Write(e, true)); err != nil {
		return err
	}
	rt.log.Info("stopped")
	return nil
}

// keepAudit looks after the audit, and rotates its file at each signal, until
// done is called. Then it calls hungUp.
func (rt *runtime) keepAudit(ctx context.Context, hangUps <-chan os.Signal, hungUp func()) (done func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the last calls are audited, too
	var running sync.WaitGroup
	running.Go(func() { rt.audit.Run(ctx) })
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangUps:
				if _, err := rt.audit.Rotate("SIGHUP"); err != nil {
					rt.log.Error("the audit could not be rotated", slog.Any("error", err))
				}
				hungUp()
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// adviseTaken tells whoever finds an address in use which key names it.
func adviseTaken(err error, cfg *config.Config, server *httpd.Server) error {
	switch {
	case !errors.Is(err, syscall.EADDRINUSE):
		return err
	case server.Address() == "":
		return fmt.Errorf("%s is in use already; server.address or --address names another one", cfg.Server.Address)
	case cfg.ManagedIdentity.Address != "" && server.LocalAddress() == "":
		return fmt.Errorf("%s is in use already; managed_identity.address names another one", cfg.ManagedIdentity.Address)
	}
	return fmt.Errorf("%s is in use already; admin.address names another one", cfg.Admin.Address)
}

// runServers serves clients, and commands where there is a socket for them,
// until ctx ends. The gateway does without the socket if that fails.
func runServers(ctx context.Context, rt *runtime, server *httpd.Server, commands *control.Server) error {
	g, gctx := errgroup.WithContext(ctx)
	serving, stop := context.WithCancel(gctx)
	g.Go(func() error {
		defer stop()
		return server.Run(gctx)
	})
	g.Go(func() error {
		heap.Keep(serving)
		return nil
	})
	g.Go(func() error {
		gateway.ProbeStores(serving, server.Service, rt.log)
		return nil
	})
	g.Go(func() error {
		gateway.MeetGateways(serving, server.Service, rt.log)
		return nil
	})
	g.Go(func() error {
		feedWatchdog(serving, rt)
		return nil
	})
	if commands != nil {
		g.Go(func() error {
			if err := commands.Run(serving); err != nil {
				rt.log.Error("the socket for commands failed", slog.Any("error", err))
			}
			return nil
		})
	}
	return g.Wait()
}

// warn says at the start what an operator should know.
func warn(log *slog.Logger, cfg *config.Config, warnings []config.Problem) {
	for _, p := range warnings {
		log.Warn(p.Message, slog.String("key", p.Path))
	}
	warnLost(log, cfg.Stores)
}
