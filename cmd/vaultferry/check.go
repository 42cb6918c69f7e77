package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/control"
	"github.com/vaultferry/vaultferry/internal/ownfile"
)

func (a *app) checkCommand() *cobra.Command {
	var connect bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Report every problem of the configuration, and what clients will see",
		Long: `Lists every problem at once, each with its key, and the keys that have no effect
yet. For each route it shows what clients will see: the store, the certificate,
and the resource that Key Vault's clients are told to ask a token for.

--connect also reaches each store and issuer, and Vault if that opens the
keyring. It creates nothing: neither the file of a bolt store nor the audit. It
says which gateway runs with this configuration and what that serves, and
reaches the stores that the gateway has open through it.`,
		Example: `  vaultferry check --config /etc/vaultferry/vaultferry.yaml --connect`,
		Args:    arguments(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context(), connect, timeout) },
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long each store may take to answer (default: its timeout)")
	cmd.Flags().BoolVar(&connect, "connect", false, "also reach each store, with the gateway's credentials, and each issuer")
	return cmd
}

type checkView struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"`
	Problems []config.Problem `json:"problems"`
	Routes   []routeView      `json:"routes,omitempty"`
	Login    string           `json:"login,omitempty"` // AZURE_AUTHORITY_HOST
	Stores   []storeView      `json:"stores,omitempty"`
	Running  *runningView     `json:"running,omitempty"` // the gateway that answers on the socket
	Expires  *time.Time       `json:"certificate_expires,omitempty"`
	ACME     []string         `json:"acme_hosts,omitempty"` // that get a certificate from an ACME server

	cert    *x509.Certificate
	timeout time.Duration // zero: each store's
}

type routeView struct {
	Dialect  string `json:"dialect"`
	Route    string `json:"route"` // host or project
	Store    string `json:"store"`
	Folder   string `json:"folder,omitempty"` // of the store
	Resource string `json:"resource,omitempty"`
	Project  string `json:"name,omitempty"` // that clients look a project up by
}

func (v *checkView) add(s config.Severity, path, format string, args ...any) {
	v.Problems = append(v.Problems, config.Problem{Severity: s, Path: path, Message: fmt.Sprintf(format, args...)})
}

// bad tells wrong configuration (exit 2) from a store that is not there (1).
func (v *checkView) result() error {
	for _, p := range v.Problems {
		if p.Severity == config.Bad {
			return &exitError{code: exitUsage}
		}
	}
	for _, s := range v.Stores {
		if s.Error != "" {
			return &exitError{code: exitFailed}
		}
	}
	return nil
}

func (a *app) check(ctx context.Context, connect bool, timeout time.Duration) error {
	v := &checkView{File: a.configPath(), Problems: []config.Problem{}, timeout: timeout}
	cfg, warnings, err := a.load()
	var bad *config.Error
	switch {
	case errors.As(err, &bad):
		v.Problems = append(append(v.Problems, bad.Problems...), warnings...)
	case err != nil:
		return err
	default:
		v.Problems = append(v.Problems, warnings...)
		a.checkFiles(ctx, v, cfg, connect)
		v.checkRoutes(cfg)
		if v.result() == nil {
			a.checkStores(ctx, v, cfg, connect)
		}
	}
	err = v.result()
	v.OK = err == nil
	return errors.Join(a.print(v, v.text), err)
}

func (a *app) checkFiles(ctx context.Context, v *checkView, cfg *config.Config, connect bool) {
	a.checkKeyring(ctx, v, cfg, connect)
	if err := canAppend(cfg.Audit.File); err != nil {
		v.add(config.Bad, "audit.file", "%s", err)
	}
	if _, err := syslogTLS(cfg.Audit.Syslog); err != nil {
		v.add(config.Bad, "audit.syslog", "%s", strings.TrimPrefix(err.Error(), "audit.syslog: "))
	}
	if _, err := witnessesOf(cfg.Audit.Witnesses, a.now); err != nil {
		v.add(config.Bad, "audit.witnesses", "%s", strings.TrimPrefix(err.Error(), "audit.witnesses: "))
	}
	v.checkIssuers(cfg)
	v.checkControl(cfg.Control.Socket)
	c, err := serverTLS(cfg.Server, nil)
	if err != nil {
		v.add(config.Bad, "server.tls", "%s", strings.TrimPrefix(err.Error(), "server.tls: "))
		return
	}
	if c == nil {
		return
	}
	if len(c.Certificates) == 0 {
		v.ACME = cfg.CertifiedHosts()
		return
	}
	if f, err := os.Open(cfg.Server.TLS.KeyFile); err == nil {
		if why := ownfile.Exposed(f); why != "" {
			v.add(config.Warning, "server.tls.key_file", "%s", why)
		}
		_ = f.Close() // only looked at
	}
	if v.cert, err = x509.ParseCertificate(c.Certificates[0].Certificate[0]); err != nil {
		v.add(config.Bad, "server.tls.cert_file", "%s", err)
		return
	}
	v.checkExpiry(a.now())
}

// expiryWarning is how long before its end a certificate is worth a warning.
const expiryWarning = 30 * 24 * time.Hour

func (v *checkView) checkExpiry(now time.Time) {
	v.Expires = timeOrNil(v.cert.NotAfter)
	switch left := v.cert.NotAfter.Sub(now); {
	case left <= 0:
		v.add(config.Bad, "server.tls.cert_file", "the certificate expired at %s", shortTime(v.Expires))
	case now.Before(v.cert.NotBefore):
		v.add(config.Bad, "server.tls.cert_file", "the certificate is not valid yet")
	case left < expiryWarning:
		v.add(config.Warning, "server.tls.cert_file", "the certificate expires at %s", shortTime(v.Expires))
	}
}

// checkKeyring opens the keyring, where that is to be had: Vault is asked only for
// --connect, and a credential of systemd is the service's alone.
func (a *app) checkKeyring(ctx context.Context, v *checkView, cfg *config.Config, connect bool) {
	s, err := a.keyringSource(cfg)
	if err != nil {
		v.add(config.Bad, cfg.Keyring.Key(), "%s", message(err))
		return
	}
	if sealed, ok := s.(*transitSource); ok && !connect {
		if err := sealed.Look(); err != nil {
			v.add(config.Bad, cfg.Keyring.Key(), "%s", message(err))
		} else {
			v.add(config.Note, cfg.Keyring.Key(), "the keyring was not opened: --connect asks Vault")
		}
		return
	}
	if cfg.Keyring.Credential != "" && cfg.Keyring.CredentialPath() == "" {
		v.add(config.Note, cfg.Keyring.Key(), "the keyring was not opened: systemd hands the credential to the service alone")
		return
	}
	keys, err := s.Load(ctx)
	if err != nil {
		v.add(config.Bad, cfg.Keyring.Key(), "%s", message(err))
		return
	}
	v.checkKeys(cfg, keys)
	v.checkCallers(cfg, keys, a.log())
}

func (v *checkView) checkKeys(cfg *config.Config, keys *backup.Keyring) {
	switch {
	case !keys.CanSeal():
		v.add(config.Warning, cfg.Keyring.Key(), "no key in it encrypts, so backups will fail")
	case !keys.CanOpen():
		v.add(config.Warning, cfg.Keyring.Key(), "no key in it decrypts, so restores will fail")
	}
	if _, _, signs := keys.Signer(); cfg.Keyring.RequireProof && !signs && !keys.SealsSymmetric() {
		v.add(config.Warning, "keyring.require_proof", "no key of the keyring signs, so this gateway cannot restore its own backups: vaultferry keys new --add --type EdDSA")
	}
	if cfg.Gateway.ID == "" {
		v.add(config.Note, "gateway.id", "it is not set, so every gateway with this keyring restores the backups of the others as its own; to tell them apart write %s here, and another id there", keys.GatewayID())
	}
	if lacksSigningKey(cfg, keys) {
		v.add(config.Bad, cfg.Keyring.Key(), noSigningKey)
	}
	var beside []string
	for i, s := range cfg.Stores {
		if s.Backend != "bolt" {
			continue
		}
		if !keys.CanUnwrap() {
			v.add(config.Bad, fmt.Sprintf("stores[%d].bolt", i), "a bolt store needs a keyring that can decrypt what it encrypts")
		}
		section, _ := s.Sections["bolt"].(map[string]any)
		path, _ := section["path"].(string)
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(v.File), path)
		}
		if abs, err := filepath.Abs(path); err == nil && filepath.Dir(abs) == filepath.Dir(cfg.Keyring.PlainPath()) {
			beside = append(beside, s.Name)
		}
	}
	if len(beside) > 0 {
		v.add(config.Warning, cfg.Keyring.Key(), "the keyring is in the same folder as the stores that it protects (%s); keep a copy elsewhere", strings.Join(beside, ", "))
	}
}

// checkControl says what would keep commands from a running gateway.
func (v *checkView) checkControl(socket string) {
	if socket == "" {
		return
	}
	if err := control.CheckPath(socket); err != nil {
		v.add(config.Bad, "control.socket", "%s", err)
	}
	if info, err := os.Stat(filepath.Dir(socket)); err != nil || !info.IsDir() {
		v.add(config.Warning, "control.socket", "the folder %s is not there, so commands could not use a running gateway", filepath.Dir(socket))
	} else if info, err := os.Lstat(socket); err == nil && info.Mode().Type() != os.ModeSocket {
		v.add(config.Warning, "control.socket", "%s is in the way and is not a socket, so commands could not use a running gateway", socket)
	}
}

// canAppend reports whether the file can be written, without writeFlags.
func canAppend(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, os.ErrNotExist) {
		info, err := os.Stat(filepath.Dir(path))
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a folder", filepath.Dir(path))
		}
		return err
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (v *checkView) checkRoutes(cfg *config.Config) {
	_, port, err := net.SplitHostPort(cfg.Server.Address)
	if err != nil { // Load has checked it
		return
	}
	for i, r := range cfg.Dialects.Azure.Routes {
		at := fmt.Sprintf("dialects.azure.routes[%d].host", i)
		v.Routes = append(v.Routes, routeView{Dialect: "azure", Route: r.Host, Store: r.Store, Folder: r.Prefix, Resource: cfg.Resource(r, port)})
		if v.cert == nil || r.Host == "*" {
			continue
		}
		if err := v.cert.VerifyHostname(strings.Replace(r.Host, "*", "any", 1)); err != nil {
			v.add(config.Warning, at, "the certificate is not valid for %s: clients will refuse it", r.Host)
		}
	}
	v.checkLogin(cfg.Login.Host, port)
	for _, r := range cfg.Dialects.Huawei.Routes {
		v.Routes = append(v.Routes, routeView{Dialect: "huawei", Route: r.Project, Store: r.Store, Project: r.Name})
	}
}

func (v *checkView) text(w io.Writer) error {
	if _, err := fmt.Fprintln(w, v.File); err != nil {
		return err
	}
	var rows [][]string
	for _, p := range v.Problems {
		rows = append(rows, []string{string(p.Severity), p.String()})
	}
	for _, r := range v.Routes {
		sees := r.Route + " -> " + r.Store
		if r.Folder != "" {
			sees += ", folder " + r.Folder
		}
		if r.Project != "" {
			sees += ", found as " + r.Project
		}
		if r.Resource != "" {
			sees += ", resource " + r.Resource
		}
		rows = append(rows, []string{r.Dialect, sees})
	}
	if v.Login != "" {
		rows = append(rows, []string{"login", v.Login})
	}
	if len(v.ACME) > 0 {
		rows = append(rows, []string{"certificate", "by ACME for " + strings.Join(v.ACME, " ")})
	}
	if v.Expires != nil {
		rows = append(rows, []string{"certificate", "valid until " + shortTime(v.Expires)})
	}
	if v.Running != nil {
		rows = append(rows, []string{"running", v.Running.line()})
	}
	for _, s := range v.Stores {
		rows = append(rows, []string{"store", s.line()})
	}
	if v.OK {
		rows = append(rows, []string{"ok", "the configuration can be used"})
	}
	return table(w, rows)
}
