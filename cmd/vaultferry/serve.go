package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/config"
)

func (a *app) serveCommand() *cobra.Command {
	var dev bool
	var address string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Serves both dialects until it is told to stop, then lets running requests
finish.

--dev needs no files: two stores in memory, a and b, with a CA, one caller and
credentials of their own in a private folder that goes away at the end. It
prints lines to paste. It listens on loopback alone.`,
		Example: `  vaultferry serve --config /etc/vaultferry/vaultferry.yaml
  vaultferry serve --dev --address 127.0.0.1:0`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dev {
				return a.serveDev(cmd.Context(), address)
			}
			return a.serve(cmd.Context(), address)
		},
	}
	cmd.Flags().BoolVar(&dev, "dev", false, "a gateway to play with; nothing is kept")
	cmd.Flags().StringVar(&address, "address", "", "listen here instead (HOST:PORT; port 0: any free one)")
	return cmd
}

func (a *app) serve(ctx context.Context, address string) (err error) {
	cfg, said, err := a.load()
	if err != nil {
		return err
	}
	if address != "" {
		if err := cfg.Listen(address); err != nil {
			return &exitError{exitUsage, fmt.Errorf("--address: %w", err)}
		}
	}
	tlsConfig, err := serverTLS(cfg.Server)
	if err != nil {
		return err
	}
	keys, err := loadKeyring(cfg.Keyring.File)
	if err != nil {
		return err
	}
	if unsigned(cfg, keys) {
		return usagef("keyring.file: %s", saidUnsigned)
	}
	p, err := a.assemble(ctx, cfg, keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	warn(p.log, cfg, said)
	server, err := a.server(p, tlsConfig)
	if err != nil {
		return err
	}
	if err := server.Listen(ctx); err != nil {
		return err
	}
	sockets := a.listenStores(ctx, p)
	defer func() { err = errors.Join(err, sockets.close()) }()
	p.log.Info("serving", slog.String("address", server.Address()), slog.String("admin", server.AdminAddress()),
		slog.Bool("tls", tlsConfig != nil), slog.Int("stores", len(cfg.Stores)))
	if err := server.Run(ctx); err != nil {
		return err
	}
	p.log.Info("stopped")
	return nil
}

// warn says at the start what an operator should know.
func warn(log *slog.Logger, cfg *config.Config, said []config.Problem) {
	for _, p := range said {
		log.Warn(p.Message, slog.String("key", p.Path))
	}
	for _, s := range cfg.Stores {
		if s.Backend == memoryKind {
			log.Warn("what this store holds is lost when the gateway stops", slog.String("store", s.Name))
		}
	}
}

// devStores are those of --dev.
func devStores(string) []config.Store {
	return []config.Store{{Name: "a", Backend: "memory"}, {Name: "b", Backend: "memory"}}
}

func (a *app) serveDev(ctx context.Context, address string) (err error) {
	if address == "" {
		address = config.Default().Server.Address
	}
	if err := config.Default().Listen(address); err != nil {
		return &exitError{exitUsage, fmt.Errorf("--address: %w", err)}
	}
	if !config.Loopback(address) {
		return usagef("%s is not a loopback address, and --dev has no other", address)
	}
	s, err := a.newSandbox(address, devStores)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	err = s.listen(ctx, a)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use already; --address 127.0.0.1:0 takes a free port", address)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.parts.close()) }()
	if err := errors.Join(s.hand(), s.guide(a)); err != nil {
		return err
	}
	return s.server.Run(ctx)
}
