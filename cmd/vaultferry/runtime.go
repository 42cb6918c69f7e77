package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/keysource"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/audit/syslog"
	"github.com/vaultferry/vaultferry/gateway/audit/witness"
	"github.com/vaultferry/vaultferry/gateway/callerfile"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/gateway/httpd"
	"github.com/vaultferry/vaultferry/gateway/tracing"
)

// Kinds of store that belong to one process.
const (
	memoryKind = "memory" // ends with its process
	fileKind   = "bolt"   // a file
)

// runtime is an open gateway without its listeners.
type runtime struct {
	cfg       *config.Config
	service   *gateway.Service
	recorder  *events.Recorder
	keys      *backup.Keyring
	source    keysource.Source // of the keys of a gateway
	metrics   *httpd.Metrics
	log       *slog.Logger
	audit     *audit.Log
	serves    bool // callers, and not one command alone
	syslog    *syslog.Sink
	edge      *edge
	local     http.Handler     // of the local listener; nil: there is none
	callers   *callerfile.File // of callers_file; nil: there is none
	tls       *tls.Config      // of connections that begin now; nil: TLS is off
	acme      *httpd.ACME      // nil: certificates are in files
	witness   *witness.Server  // nil: this gateway is none
	witnesses witness.Group    // of this gateway's audit
	tracer    *tracing.Tracer  // nil: none
	// callersEnd are the ends of what callers prove themselves by.
	callersEnd []gateway.End
}

// assemble opens what a sound configuration names.
func (a *app) assemble(ctx context.Context, cfg *config.Config, keys *backup.Keyring, only ...string) (*runtime, error) {
	metrics := httpd.NewMetrics()
	rt := &runtime{cfg: cfg, keys: keys, metrics: metrics, log: a.log(), serves: len(only) == 0, edge: a.newEdge(cfg, metrics)}
	if rt.serves {
		var err error
		if rt.callers, err = loadCallers(cfg, keys); err != nil {
			return nil, err
		}
	}
	stores, err := a.openStores(ctx, rt, only)
	if err != nil {
		return nil, err
	}
	if err := a.assembleOver(rt, stores); err != nil {
		return nil, err
	}
	return rt, nil
}

// assembleOver puts the service over open stores, which it closes where it
// fails.
func (a *app) assembleOver(rt *runtime, stores []gateway.Store) (err error) {
	if err := a.openAudit(rt); err != nil {
		return errors.Join(err, closeStores(stores))
	}
	o := gateway.Options{
		ID: rt.cfg.Gateway.ID, RequireProof: rt.cfg.Keyring.RequireProof, Stores: stores, Policy: rt.cfg.AccessPolicy(), Keyring: rt.keys, Audit: rt.audit,
		Log: rt.log, TraceNames: rt.cfg.Traces.Names, Now: a.now, MaxBlobs: max(rt.cfg.Server.MaxBlobs, a.atOnce), Observe: rt.metrics.Observe,
		Archive: archive.Dir(rt.cfg.Archive.Dir),
		Self:    gateway.Member{Name: gatewayName(rt.cfg), Version: readVersion().Version, Began: a.now().UTC().Truncate(time.Millisecond)},
	}
	if !rt.serves { // the one caller sees to it how much is under way
		o.MaxBlobs = max(o.MaxBlobs, restoresAtOnce)
	}
	rt.recorder = events.NewRecorder()
	o.Writes = rt.recorder // also where this gateway serves no events: another may, over the same store
	rt.service, err = gateway.New(o)
	if err != nil {
		return errors.Join(err, closeStores(stores), rt.closeAudit())
	}
	return nil
}

// gatewayName is what people call this gateway.
func gatewayName(cfg *config.Config) string {
	if cfg.Gateway.Name != "" {
		return cfg.Gateway.Name
	}
	name, _ := os.Hostname() // of a machine that has none it is empty
	return name[:min(len(name), config.MaxGatewayName)]
}

// close ends the stores before the audit, so that the last outcome is written.
func (rt *runtime) close() error { return errors.Join(rt.service.Close(), rt.closeAudit()) }

func (a *app) openStores(ctx context.Context, rt *runtime, only []string) ([]gateway.Store, error) {
	var stores []gateway.Store
	for i := range rt.cfg.Stores {
		s := &rt.cfg.Stores[i]
		if len(only) > 0 && !slices.Contains(only, s.Name) {
			continue
		}
		b, err := a.openStore(ctx, s, rt)
		if err != nil {
			return nil, errors.Join(openError(s, err), closeStores(stores))
		}
		st := settingsOf(s)
		st.Backend = b
		stores = append(stores, st)
	}
	return stores, nil
}

// settingsOf is the store without its backend.
func settingsOf(s *config.Store) gateway.Store {
	return gateway.Store{
		Name: s.Name, Kind: s.Backend, ReadOnly: s.ReadOnly, OnLoss: gateway.OnLoss(s.OnLoss),
		Timeout: s.Timeout, Concurrency: s.Concurrency,
		RetentionDays: s.RetentionDays, PurgeProtection: s.PurgeProtection,
	}
}

func (a *app) openStore(ctx context.Context, s *config.Store, rt *runtime) (backends.Backend, error) {
	d, err := all.Registry().Find(s.Backend)
	if err != nil {
		return nil, err
	}
	return d.Open(ctx, backends.Env{Store: s.Name, Keys: rt.keys, Log: rt.log, Now: a.now}, s.Section())
}

// inUseError: another process has the file of a store open.
type inUseError struct{ store, file string }

func (e *inUseError) Error() string {
	return fmt.Sprintf("store %s: another process is using %s", e.store, e.file)
}

// openError names the store.
func openError(s *config.Store, err error) error {
	if file, pathErr := storePath(s); pathErr == nil && errors.Is(err, bolt.ErrHeld) {
		return &inUseError{s.Name, file}
	}
	return fmt.Errorf("store %s: %w", s.Name, err)
}

// adviseInUse tells whoever finds a store in use what to do.
func adviseInUse(err error, advice string) error {
	if _, ok := errors.AsType[*inUseError](err); ok {
		return fmt.Errorf("%w; %s", err, advice)
	}
	return err
}

// stopFirst is for whoever needs the file of a store alone.
const stopFirst = "if that is a running gateway, stop it first"

// storePath is where the file of a store is; empty, if it is none.
func storePath(s *config.Store) (string, error) {
	if s.Backend != fileKind {
		return "", nil
	}
	var c bolt.Config
	if err := s.Section().Decode(&c); err != nil {
		return "", err
	}
	return c.Path, nil
}

func closeStores(stores []gateway.Store) error {
	var errs []error
	for _, s := range stores {
		errs = append(errs, s.Backend.Close())
	}
	return errors.Join(errs...)
}
