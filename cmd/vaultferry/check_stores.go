package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/control"
)

type storeView struct {
	Name    string `json:"name"`
	Backend string `json:"backend"`
	Reached *bool  `json:"reached,omitempty"`
	Running bool   `json:"through_gateway,omitempty"` // that runs and holds the store
	Note    string `json:"note,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (s storeView) line() string {
	line := s.Name + " (" + s.Backend + ")"
	switch {
	case s.Error != "":
		return line + " not reached: " + s.Error
	case s.Reached != nil && *s.Reached:
		line += " reached"
	}
	if s.Note != "" {
		line += ": " + s.Note
	}
	return line
}

// runningView is a gateway that runs with this configuration.
type runningView struct {
	PID     int      `json:"pid"`
	Gateway string   `json:"gateway"`
	Stores  []string `json:"stores"` // that it serves
}

func (r *runningView) line() string {
	return fmt.Sprintf("process %d serves %s", r.PID, strings.Join(r.Stores, ", "))
}

// checkStores reaches each store where that is wanted. It writes nothing, not
// even an audit line.
func (a *app) checkStores(ctx context.Context, v *checkView, cfg *config.Config, connect bool) {
	var running *control.Client
	if connect {
		v.reachIssuers(ctx, cfg)
		if running = v.findRunning(ctx, cfg); running != nil {
			defer func() { _ = running.Close() }() // nothing was left to say
		}
	}
	for i := range cfg.Stores {
		sv := storeView{Name: cfg.Stores[i].Name, Backend: cfg.Stores[i].Backend}
		if connect {
			sv.reach(ctx, a, v, cfg, i, running)
		}
		v.Stores = append(v.Stores, sv)
	}
}

// findRunning asks who listens on the socket. Nil: nobody does, or v says why
// that one cannot be asked.
func (v *checkView) findRunning(ctx context.Context, cfg *config.Config) *control.Client {
	if cfg.Control.Socket == "" {
		return nil
	}
	running, err := control.Connect(ctx, cfg.Control.Socket)
	switch {
	case errors.Is(err, control.ErrNobody):
		return nil
	case err != nil:
		v.add(config.Warning, "control.socket", "%s", message(err))
		return nil
	}
	status := running.Status()
	v.Running = &runningView{PID: status.PID, Gateway: status.Gateway, Stores: []string{}}
	for _, s := range status.Stores {
		v.Running.Stores = append(v.Running.Stores, s.Name)
		if _, ok := cfg.Store(s.Name); !ok {
			v.add(config.Warning, "stores", "the running gateway serves %s, which is not configured: it began with another configuration; run vaultferry reload", s.Name)
		}
	}
	for i := range cfg.Stores {
		if s := &cfg.Stores[i]; !serves(status, s) {
			v.add(config.Warning, fmt.Sprintf("stores[%d]", i), "the running gateway does not serve %s as it is configured: run vaultferry reload", s.Name)
		}
	}
	return running
}

// serves reports whether the gateway has the store, as far as it tells.
func serves(status control.Status, s *config.Store) bool {
	st, ok := status.Store(s.Name)
	if s.Backend == fileKind {
		return holds(status, s)
	}
	return ok && st.Kind == s.Backend
}

// reach asks the store: through the running gateway where that holds it.
func (sv *storeView) reach(ctx context.Context, a *app, v *checkView, cfg *config.Config, i int, running *control.Client) {
	s := &cfg.Stores[i]
	held := s.Backend == fileKind || s.Backend == memoryKind
	var err error
	switch path, pathErr := storePath(s); {
	case pathErr != nil:
		err = pathErr
	case held && running != nil && holds(running.Status(), s):
		sv.Running = true
		bounded, cancel := context.WithTimeout(ctx, cmp.Or(v.timeout, s.Timeout, gateway.DefaultTimeout))
		err = running.Check(bounded, s.Name)
		cancel()
	case s.Backend == memoryKind:
		sv.Note = "begins, empty, with a gateway" // there is nothing to reach
		return
	case s.Backend == fileKind && isMissing(path):
		sv.Note = "new; a gateway makes " + path
		err = isFolder(filepath.Dir(path))
	default:
		err = a.reachOwn(ctx, v, cfg, i)
	}
	ok := err == nil
	sv.Reached = &ok
	if err != nil {
		sv.Error, sv.Note = message(err), ""
	}
}

func isMissing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func isFolder(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", path)
	}
	return err
}

// reachOwn opens the store and asks its product, without the audit that a
// gateway begins with.
func (a *app) reachOwn(ctx context.Context, v *checkView, cfg *config.Config, i int) (err error) {
	s := &cfg.Stores[i]
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return err
	}
	a.level = slog.LevelError // what the store answers, the check says itself
	b, err := a.openStore(ctx, s, &runtime{cfg: cfg, keys: keys, log: a.log()})
	if err != nil {
		return adviseInUse(openError(s, err), notListening(ctx, cfg))
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(v.timeout, s.Timeout, gateway.DefaultTimeout))
	defer cancel()
	if err := b.Check(ctx); err != nil {
		return err
	}
	v.checkRetention(ctx, i, s, b)
	return nil
}

// checkRetention says where a product keeps what is deleted for another time
// than clients are told.
func (v *checkView) checkRetention(ctx context.Context, i int, s *config.Store, b backends.Backend) {
	product, ok := b.(backends.RetentionReporter)
	if !ok {
		return
	}
	days, err := product.Retention(ctx)
	if err != nil || days == 0 { // who cannot tell warns of nothing
		return
	}
	told := s.RetentionDays
	if told == 0 {
		told = gateway.DefaultRetentionDays
	}
	if most := int(b.Capabilities().MaxRetention / (24 * time.Hour)); most > 0 {
		told = min(told, most)
	}
	if days != told {
		v.add(config.Warning, fmt.Sprintf("stores[%d].retention_days", i), "the product keeps deleted secrets for %d days: set this key to the same, because clients are told its value", days)
	}
}
