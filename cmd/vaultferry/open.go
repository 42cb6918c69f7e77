package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/gateway/httpd"
)

// memoryKind is the backend whose stores end with the process.
const memoryKind = "memory"

// parts are an open gateway without its listeners.
type parts struct {
	cfg      *config.Config
	service  *gateway.Service
	recorder *events.Recorder
	keys     *backup.Keyring
	metrics  *httpd.Metrics
	log      *slog.Logger
	audit    *audit.Log
}

// open loads the configuration and opens the stores that are named, or all.
func (a *app) open(ctx context.Context, only ...string) (*parts, error) {
	cfg, _, err := a.load()
	if err != nil {
		return nil, err
	}
	for _, name := range only {
		s, err := a.configured(cfg, name)
		if err != nil {
			return nil, err
		}
		if s.Backend == memoryKind {
			a.complain("warning: " + name + " is in memory: this command has an empty one of its own, not that of a running gateway")
		}
	}
	keys, err := loadKeyring(cfg.Keyring.File)
	if err != nil {
		return nil, err
	}
	a.level = slog.LevelError // what a store answers, the command says itself
	return a.assemble(ctx, cfg, keys, only...)
}

func (a *app) configured(cfg *config.Config, name string) (*config.Store, error) {
	s, ok := cfg.Store(name)
	if !ok {
		return nil, usagef("there is no store %q in %s", name, a.configPath())
	}
	return s, nil
}

// assemble opens what a sound configuration names.
func (a *app) assemble(ctx context.Context, cfg *config.Config, keys *backup.Keyring, only ...string) (*parts, error) {
	p := &parts{cfg: cfg, keys: keys, metrics: httpd.NewMetrics(), log: a.log()}
	stores, err := a.openStores(ctx, p, only)
	if err != nil {
		return nil, err
	}
	if err := a.assembleOver(p, stores); err != nil {
		return nil, err
	}
	return p, nil
}

// assembleOver puts the service over open stores, which it closes where it
// fails.
func (a *app) assembleOver(p *parts, stores []gateway.Store) (err error) {
	if p.audit, err = audit.Open(p.cfg.Audit.File, a.now); err != nil {
		return errors.Join(err, closeStores(stores))
	}
	o := gateway.Options{
		Stores: stores, Policy: access.NewPolicy(p.cfg.Rules()), Keyring: p.keys, Audit: p.audit,
		Log: p.log, Now: a.now, MaxBlobs: p.cfg.Server.MaxBlobs, Observe: p.metrics.Observe,
		Archive: archive.Dir(p.cfg.Archive.Dir),
	}
	p.recorder = events.NewRecorder()
	if len(p.cfg.Dialects.Huawei.Routes) > 0 { // nobody else has events
		o.Writes = p.recorder
	}
	p.service, err = gateway.New(o)
	if err != nil {
		return errors.Join(err, closeStores(stores), p.audit.Close())
	}
	return nil
}

// close ends the stores before the audit, so that the last outcome is written.
func (p *parts) close() error { return errors.Join(p.service.Close(), p.audit.Close()) }

func (a *app) openStores(ctx context.Context, p *parts, only []string) ([]gateway.Store, error) {
	var stores []gateway.Store
	for i := range p.cfg.Stores {
		s := &p.cfg.Stores[i]
		if len(only) > 0 && !slices.Contains(only, s.Name) {
			continue
		}
		b, err := a.openStore(ctx, s, p)
		if err != nil {
			return nil, errors.Join(openError(s, err), closeStores(stores))
		}
		stores = append(stores, gateway.Store{
			Name: s.Name, Kind: s.Backend, Backend: b, ReadOnly: s.ReadOnly, OnLoss: gateway.OnLoss(s.OnLoss),
			Timeout: s.Timeout, Concurrency: s.Concurrency,
			RetentionDays: s.RetentionDays, PurgeProtection: s.PurgeProtection,
		})
	}
	return stores, nil
}

func (a *app) openStore(ctx context.Context, s *config.Store, p *parts) (backends.Backend, error) {
	d, err := all.Registry().Find(s.Backend)
	if err != nil {
		return nil, err
	}
	return d.Open(ctx, backends.Env{Store: s.Name, Keys: p.keys, Log: p.log, Now: a.now}, s.Section())
}

// openError names the store. A bolt file that is held is most likely held by
// the gateway that serves it.
func openError(s *config.Store, err error) error {
	if errors.Is(err, bolt.ErrHeld) {
		return fmt.Errorf("store %s: %w; if that is a running gateway, ask it over its API, or stop it first", s.Name, err)
	}
	return fmt.Errorf("store %s: %w", s.Name, err)
}

func closeStores(stores []gateway.Store) error {
	var errs []error
	for _, s := range stores {
		errs = append(errs, s.Backend.Close())
	}
	return errors.Join(errs...)
}

// server puts the dialects and the listeners before the service. cert may be
// nil: no TLS.
func (a *app) server(p *parts, tlsConfig *tls.Config) (*httpd.Server, error) {
	creds, err := p.cfg.Credentials()
	if err != nil {
		return nil, err
	}
	throttle := access.NewThrottle(a.now)
	az := azure.Options{
		Service: p.service, Credentials: creds, Throttle: throttle, Now: a.now, MaxBlob: int64(p.cfg.Server.MaxBody),
		Authority: p.cfg.Dialects.Azure.Authority, Resource: p.cfg.Dialects.Azure.Resource,
	}
	for _, r := range p.cfg.Dialects.Azure.Routes {
		az.Routes = append(az.Routes, azure.Route{Host: r.Host, Store: r.Store, Prefix: r.Prefix, Resource: r.Resource})
	}
	users, err := a.users(p, creds)
	if err != nil {
		return nil, err
	}
	hw := huawei.Options{Service: p.service, Events: events.New(p.service, p.recorder), Credentials: creds, IAM: users, Throttle: throttle, Now: a.now, MaxBlob: int64(p.cfg.Server.MaxBody)}
	for _, r := range p.cfg.Dialects.Huawei.Routes {
		hw.Routes = append(hw.Routes, huawei.Route{Project: r.Project, Name: r.Name, Store: r.Store})
	}
	azureDialect, err := azure.New(az)
	if err != nil {
		return nil, err
	}
	huaweiDialect, err := huawei.New(hw)
	if err != nil {
		return nil, err
	}
	all := []dialects.Dialect{huaweiDialect, azureDialect} // azure takes every other path
	if l, err := a.login(p, creds, throttle); err != nil {
		return nil, err
	} else if l != nil {
		all = append([]dialects.Dialect{l}, all...) // and the login every path of its host
	}
	return httpd.New(httpd.Options{
		Service: p.service, Dialects: all,
		Address: p.cfg.Server.Address, TLS: tlsConfig, Admin: p.cfg.Admin.Address, Metrics: p.metrics, Log: p.log,
	})
}

// serverTLS reads the configured certificate. Nil without error: TLS is off.
func serverTLS(s config.Server) (*tls.Config, error) {
	if s.TLS.Off {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(s.TLS.CertFile, s.TLS.KeyFile)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("server.tls: %w", err)}
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if s.ClientCAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(s.ClientCAFile)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("server.client_ca_file: %w", err)}
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("server.client_ca_file: %s holds no certificate", s.ClientCAFile)
	}
	return c, nil
}
