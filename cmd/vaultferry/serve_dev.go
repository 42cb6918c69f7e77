package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/config"
)

// devFlags are those of serve that need --dev.
type devFlags struct {
	seed, dir, domain, admin string
	fixed, allowRemote       bool
}

func (f *devFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.seed, "seed", "", "with --dev: a file of secrets to begin with")
	cmd.Flags().StringVar(&f.dir, "dir", "", "with --dev: a folder that stays, for the CA, the keyring and the exports")
	cmd.Flags().StringVar(&f.domain, "domain", domain, "with --dev: the name that all hosts are below")
	cmd.Flags().StringVar(&f.admin, "admin-address", "", "with --dev: where /readyz is")
	cmd.Flags().BoolVar(&f.fixed, "fixed", false, "with --dev: credentials that are the same each time, and known to everybody")
	cmd.Flags().BoolVar(&f.allowRemote, "allow-remote", false, "with --dev: serve others than this machine")
}

func (*devFlags) onlyDev(cmd *cobra.Command) error {
	for _, name := range []string{"seed", "dir", "domain", "admin-address", "fixed", "allow-remote"} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s needs --dev", name)
		}
	}
	return nil
}

// options are of the sandbox.
func (f *devFlags) options(address string) (sandboxOptions, error) {
	standard := config.Default()
	o := sandboxOptions{address: address, admin: f.admin, domain: f.domain, dir: f.dir, fixed: f.fixed, stores: devStores}
	if o.address == "" {
		o.address = standard.Server.Address
	}
	host, port, err := net.SplitHostPort(o.address)
	if err == nil && o.admin == "" {
		o.admin = standard.Admin.Address
		if _, usual, _ := net.SplitHostPort(standard.Server.Address); port != usual {
			o.admin = net.JoinHostPort(host, "0")
		}
	}
	if err := f.checkAddress("--address", o.address); err != nil {
		return o, err
	}
	if err := f.checkAddress("--admin-address", o.admin); err != nil {
		return o, err
	}
	if err := checkHosts([]string{o.domain}); err != nil || strings.Contains(o.domain, "*") || net.ParseIP(o.domain) != nil {
		return o, usagef("--domain is a name in small letters, not %q", o.domain)
	}
	if o.dir != "" {
		if o.dir, err = filepath.Abs(o.dir); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (f *devFlags) checkAddress(flag, at string) error {
	if err := config.Default().Listen(at); err != nil {
		return &exitError{exitUsage, fmt.Errorf("%s: %w", flag, err)}
	}
	if !config.Loopback(at) && !f.allowRemote {
		return usagef("%s: %s is not a loopback address, and --dev has no other without --allow-remote", flag, at)
	}
	return nil
}

// devStores are those of --dev.
func devStores(string) []config.Store {
	return []config.Store{{Name: "a", Backend: memoryKind}, {Name: "b", Backend: memoryKind}}
}

func (a *app) serveDev(ctx context.Context, address string, f devFlags, hangUps <-chan os.Signal) (err error) {
	o, err := f.options(address)
	if err != nil {
		return err
	}
	seeds, err := readSeeds(f.seed, devStores(""))
	if err != nil {
		return err
	}
	s, err := a.newSandbox(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	err = s.listen(ctx, a)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && s.server.Address() == "":
		return fmt.Errorf("%s is in use already; --address 127.0.0.1:0 takes a free port", o.address)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use already; --admin-address 127.0.0.1:0 takes a free port", o.admin)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.runtime.close()) }()
	if err := a.plant(ctx, s.runtime.service, seeds); err != nil {
		return err
	}
	if err := errors.Join(s.writeClientFiles(), s.printGuide(a)); err != nil {
		return err
	}
	defer s.runtime.keepAudit(ctx, hangUps, func() {})()
	return s.server.Run(ctx)
}
