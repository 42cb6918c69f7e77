package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/control"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// service is what commands ask of a gateway: of their own, or of a running one.
type service interface {
	Check(ctx context.Context, store string) error
	List(ctx context.Context, c gateway.Call, store string, q secret.Query) (secret.Page, error)
	Describe(ctx context.Context, c gateway.Call, r gateway.Ref) (*secret.Secret, error)
	Get(ctx context.Context, c gateway.Call, r gateway.Ref, sel secret.Selector) (*secret.Secret, error)
	ListTrash(ctx context.Context, c gateway.Call, store string, q secret.Query) (secret.Page, error)
	Digest(ctx context.Context, c gateway.Call, r gateway.Ref, k inventory.Key, o gateway.DigestOptions) (*inventory.Entry, error)
	Rehearse(ctx context.Context, c gateway.Call, a access.Action, r gateway.Ref) (*secret.Secret, error)
	Put(ctx context.Context, c gateway.Call, r gateway.Ref, d secret.Draft) (*secret.Secret, error)
	Delete(ctx context.Context, c gateway.Call, r gateway.Ref) (*secret.Secret, error)
	Recover(ctx context.Context, c gateway.Call, r gateway.Ref) (*secret.Secret, error)
	BackupWith(ctx context.Context, c gateway.Call, r gateway.Ref, o gateway.BackupOptions) ([]byte, []secret.Loss, error)
	Pack(ctx context.Context, c gateway.Call, r gateway.Ref, k inventory.Key, o gateway.PackOptions) (*gateway.Packed, error)
	RehearseBackup(ctx context.Context, c gateway.Call, r gateway.Ref, o gateway.BackupOptions) ([]secret.Loss, error)
	SealFor(ctx context.Context, c gateway.Call, r gateway.Ref, o gateway.SealOptions) (*gateway.Sealed, error)
	Restore(ctx context.Context, c gateway.Call, store string, blob []byte, o gateway.RestoreOptions) (*gateway.Outcome, error)
	Sweep(ctx context.Context, c gateway.Call, store string, dryRun bool) (gateway.Swept, error)
}

// ownService is a service in this process.
type ownService struct{ *gateway.Service }

// Get is Service.Get without checks, which cannot cross a socket.
func (s ownService) Get(ctx context.Context, c gateway.Call, r gateway.Ref, sel secret.Selector) (*secret.Secret, error) {
	return s.Service.Get(ctx, c, r, sel)
}

// session is a command at work on one store.
type session struct {
	cfg     *config.Config
	store   *config.Store
	service service
	own     *gateway.Service // nil: the service is a running gateway's
	close   func() error
}

// requireLasting refuses to write what would end with this command.
func (s *session) requireLasting(dryRun bool) error {
	if s.store.Backend == memoryKind && s.own != nil && !dryRun {
		return usagef("%s is in memory and would end with this command: start its gateway first, or use --dry-run", s.store.Name)
	}
	return nil
}

// product is what the store is in: of a kind that is several products, or that
// imitates one, that one.
func (s *session) product() limits.Product {
	if s.own != nil {
		info, _ := s.own.Info(s.store.Name)
		if p, ok := limits.Named(info.Capabilities.Product); ok {
			return p
		}
	}
	word := s.store.Backend
	var c memory.Config
	if word == memoryKind && s.store.Section().Decode(&c) == nil && slices.Contains(memory.Products(), c.As) {
		word = c.As
	}
	if p, ok := limits.Of(word); ok {
		return p
	}
	return limits.Product{Backend: word} // of another's driver
}

// productWord is that product in plans, inventories and snapshots.
func (s *session) productWord() string {
	p := s.product()
	return p.Word()
}

// foldsCase: the product ignores the case of names, and so do patterns.
func (s *session) foldsCase() bool {
	if s.own == nil { // what only a gateway holds does not
		return false
	}
	info, _ := s.own.Info(s.store.Name)
	return info.Capabilities.FoldsCase
}

// openSession uses the running gateway where that holds the store, and opens
// the store otherwise.
func (a *app) openSession(ctx context.Context, store string) (*session, error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, err
	}
	s, err := a.configured(cfg, store)
	if err != nil {
		return nil, err
	}
	running, err := runningGateway(ctx, cfg, s)
	if err != nil {
		return nil, err
	}
	if running != nil {
		return &session{cfg: cfg, store: s, service: running, close: running.Close}, nil
	}
	if s.Backend == memoryKind {
		a.complain("warning: " + store + " is in memory, and no gateway is running: this command sees an empty store of its own")
	}
	return a.openOwn(ctx, cfg, s)
}

func (a *app) openOwn(ctx context.Context, cfg *config.Config, s *config.Store) (*session, error) {
	if err := cfg.CheckStore(s.Name, all.Registry()); err != nil {
		return nil, err
	}
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return nil, err
	}
	a.level = slog.LevelError // what a store answers, the command says itself
	rt, err := a.assemble(ctx, cfg, keys, s.Name)
	if err != nil {
		return nil, adviseInUse(err, notListening(ctx, cfg))
	}
	return &session{cfg: cfg, store: s, service: ownService{rt.service}, own: rt.service, close: rt.close}, nil
}

// notListening is for who finds a store in use and nobody to ask.
func notListening(ctx context.Context, cfg *config.Config) string {
	if cfg.Control.Socket == "" {
		return "control.socket is off, so a running gateway cannot be asked: stop it first"
	}
	if c, err := control.Connect(ctx, cfg.Control.Socket); err == nil {
		_ = c.Close() // nothing was asked
		return "the gateway that runs began with another configuration: run vaultferry reload"
	}
	return "no gateway answers on " + cfg.Control.Socket + ": stop that process first"
}

func (a *app) configured(cfg *config.Config, name string) (*config.Store, error) {
	s, ok := cfg.Store(name)
	if !ok {
		return nil, usagef("there is no store %q in %s", name, a.configPath())
	}
	return s, nil
}

// runningGateway connects to the gateway that holds the store. Nil without
// error: none does.
func runningGateway(ctx context.Context, cfg *config.Config, s *config.Store) (*control.Client, error) {
	if cfg.Control.Socket == "" || (s.Backend != fileKind && s.Backend != memoryKind) {
		return nil, nil
	}
	c, err := control.Connect(ctx, cfg.Control.Socket)
	switch {
	case errors.Is(err, control.ErrNobody):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("store %s: %w", s.Name, err)
	case !holds(c.Status(), s):
		return nil, c.Close()
	}
	return c, nil
}

// holds reports whether the gateway has that very store open: its
// configuration may be an older one.
func holds(status control.Status, s *config.Store) bool {
	st, ok := status.Store(s.Name)
	if !ok || st.Kind != s.Backend {
		return false
	}
	path, err := storePath(s)
	if err != nil || path == st.File {
		return err == nil
	}
	return isSameFile(path, st.File)
}

// listenControl takes the socket for commands. The gateway serves without one
// too, but not beside another gateway of the same configuration. Nil without
// error: there is none.
func (a *app) listenControl(ctx context.Context, rt *runtime, again *reloader) (*control.Server, error) {
	path := rt.cfg.Control.Socket
	if path == "" {
		return nil, nil
	}
	if err := control.CheckPath(path); err != nil {
		return nil, usagef("control.socket: %s", err)
	}
	held, err := heldStores(rt.cfg)
	if err != nil {
		return nil, err
	}
	server, err := control.Listen(ctx, control.Options{
		Service: rt.service, Socket: path, Stores: held, Log: rt.log, Overview: again.overview, Tracer: rt.tracer,
		Reload: func(c gateway.Call) (control.Reloaded, error) {
			return again.reload(ctx, c) // whoever asked may be gone before it is done
		},
	})
	switch {
	case errors.Is(err, control.ErrLive):
		return nil, fmt.Errorf("control.socket: %s: %w", path, err)
	case err != nil:
		rt.log.Warn("commands cannot use this gateway while it runs", slog.String("socket", path), slog.Any("error", err))
		return nil, nil
	}
	return server, nil
}

// heldStores are the stores as commands find out whether the gateway has them.
func heldStores(cfg *config.Config) (held []control.Store, err error) {
	for i := range cfg.Stores {
		s := &cfg.Stores[i]
		file, err := storePath(s)
		if err != nil {
			return nil, err
		}
		held = append(held, control.Store{Name: s.Name, Kind: s.Backend, File: file})
	}
	return held, nil
}
