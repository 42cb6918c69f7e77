package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/internal/pemfile"
	"github.com/vaultferry/vaultferry/internal/pki"
)

func (a *app) certCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Renew the gateway's certificate",
		Long: `For certificates of a CA of your own, such as the one that vaultferry init made.
Clients trust the CA, so they take a renewed certificate as it is.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.certRenewCommand())
	return cmd
}

// certFlags are those of cert renew.
type certFlags struct {
	hosts  []string
	ca     caFlags
	within time.Duration
	writeFlags
}

func (a *app) certRenewCommand() *cobra.Command {
	var f certFlags
	cmd := &cobra.Command{
		Use:   "renew",
		Short: "Make the gateway a new certificate and key",
		Long: `Makes a new key and a certificate in the place of those of the configuration, by
the CA in ca.pem and ca-key.pem beside the configuration, or by another one. It
is valid for the same names, or for those of --host instead. A running gateway
takes it at vaultferry reload, and by itself where reload.watch is set.

--within does nothing while the certificate is good for longer, so that a timer
may run it each day.`,
		Example: `  vaultferry cert renew && vaultferry reload
  vaultferry cert renew --within 720h
  vaultferry cert renew --host payments.vault.example.com --host login.vault.example.com`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(checkHosts(f.hosts), f.ca.check(), f.requireTerminal(a)); err != nil {
				return err
			}
			return a.renewCert(cmd.Context(), f)
		},
	}
	cmd.Flags().StringArrayVar(&f.hosts, "host", nil, "a name that the certificate is to be valid for; may be given several times (default: those of the present one)")
	cmd.Flags().DurationVar(&f.within, "within", 0, "only if the present one ends within this time (default: in any case)")
	f.ca.flags(cmd)
	f.flags(cmd)
	return cmd
}

type renewedView struct {
	File    string    `json:"file"`
	Key     string    `json:"key_file"`
	Hosts   []string  `json:"hosts"`
	Expires time.Time `json:"expires"`
	Renewed bool      `json:"renewed"`
	DryRun  bool      `json:"dry_run,omitempty"`
}

func (a *app) renewCert(ctx context.Context, f certFlags) error {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return err
	}
	t := cfg.Server.TLS
	if t.Off {
		return usagef("server.tls is off, so there is no certificate")
	}
	if t.ACME.Directory != "" {
		return usagef("server.tls.acme renews the certificate")
	}
	present, err := readCert(t.CertFile)
	if err != nil {
		return err
	}
	v := renewedView{File: t.CertFile, Key: t.KeyFile, Hosts: f.hosts, Expires: present.NotAfter, DryRun: f.dryRun}
	if len(v.Hosts) == 0 {
		v.Hosts = pki.Hosts(present)
	}
	if f.within > 0 && present.NotAfter.Sub(a.now()) > f.within {
		return a.printRenewed(v)
	}
	ca, err := a.renewer(cfg, f)
	if err != nil {
		return err
	}
	pair, err := ca.Issue(v.Hosts, a.now())
	if err != nil {
		return err
	}
	if v.Expires, err = endOf(pair.Cert); err != nil {
		return err
	}
	v.Renewed = true
	if f.dryRun {
		return a.printRenewed(v)
	}
	if err := f.approve(ctx, a, "replace "+t.KeyFile+" and "+t.CertFile+"?"); err != nil {
		return err
	}
	if err := a.replaceCert(cfg, pair); err != nil {
		return err
	}
	return a.printRenewed(v)
}

// renewer is the authority that is given, or the one that init left.
func (a *app) renewer(cfg *config.Config, f certFlags) (*pki.Authority, error) {
	if f.ca.given() {
		return f.ca.authority(a.now())
	}
	dir := filepath.Dir(a.configPath())
	cert, key := filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile)
	if _, err := os.Stat(key); errors.Is(err, os.ErrNotExist) {
		return nil, usagef("there is no %s: name the CA that signed %s with --ca and --ca-key", key, cfg.Server.TLS.CertFile)
	}
	return loadAuthority(cert, key, a.now())
}

// replaceCert writes the key first. Between the two a reload finds that they do not
// match, and waits or refuses; after a crash there, the command is run again.
func (a *app) replaceCert(cfg *config.Config, pair pki.Pair) error {
	sum := sha256.Sum256(pair.Cert)
	return a.between(cfg, "cli.cert.renew", cfg.Server.TLS.CertFile, func(e *audit.Entry) error {
		e.Digest = hex.EncodeToString(sum[:])
		return errors.Join(renewFile(cfg.Server.TLS.KeyFile, pair.Key), renewFile(cfg.Server.TLS.CertFile, pair.Cert))
	})
}

// renewFile replaces what path leads to, through links, for its owner.
func renewFile(path string, content []byte) error {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		return writeFile(path, content, true)
	}
	if err != nil {
		return err
	}
	if d := ownfile.Look(path); d != nil && d.Sure {
		return errors.New(d.What)
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	return writeWhole(real, true, func(f *os.File) error {
		_, err := f.Write(content)
		return errors.Join(err, f.Chmod(info.Mode().Perm()), ownfile.Give(f, real))
	})
}

func readCert(file string) (*x509.Certificate, error) {
	text, err := readText(file, maxKeyFile)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	cert, err := parseCert(text)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("%s: %w", file, err)}
	}
	return cert, nil
}

func parseCert(text []byte) (*x509.Certificate, error) {
	all := pemfile.Parse(text)
	if len(all) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return all[0], nil
}

func endOf(text []byte) (time.Time, error) {
	cert, err := parseCert(text)
	if err != nil {
		return time.Time{}, err
	}
	return cert.NotAfter, nil
}

func (a *app) printRenewed(v renewedView) error {
	return a.print(v, func(w io.Writer) error {
		verb := "wrote"
		switch {
		case !v.Renewed:
			verb = "left"
		case v.DryRun:
			verb = "would write"
		}
		_, err := fmt.Fprintf(w, "%s %s, valid until %s for %s\n", verb, v.File, shortTime(&v.Expires), strings.Join(v.Hosts, " "))
		if err == nil && v.Renewed && !v.DryRun {
			_, err = fmt.Fprintln(w, "vaultferry reload has a running gateway take it")
		}
		return err
	})
}
