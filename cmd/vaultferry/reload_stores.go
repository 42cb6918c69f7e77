package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/control"
)

// storePlan is what becomes of the stores in a reload.
type storePlan struct {
	changed, restart []string
	open             map[string]bool // by name: to be opened; the others stay as they are

	opened []gateway.Store // by this reload
	held   []control.Store
}

// planStores opens nothing.
func planStores(old, next *config.Config) storePlan {
	p := storePlan{open: map[string]bool{}}
	for i := range next.Stores {
		p.plan(&next.Stores[i], old)
	}
	for i := range old.Stores {
		if name := old.Stores[i].Name; !has(next, name) {
			p.changed = append(p.changed, "stores."+name+" (removed)")
		}
	}
	return p
}

func has(cfg *config.Config, store string) bool {
	_, there := cfg.Store(store)
	return there
}

func (p *storePlan) plan(s *config.Store, old *config.Config) {
	was, there := old.Store(s.Name)
	key := "stores." + s.Name
	switch {
	case there && s.SameSection(was):
		if !s.SameSettings(was) {
			p.changed = append(p.changed, key)
		}
	case s.Backend == fileKind && (there && was.Backend == fileKind || fileIsOpen(s, old)):
		p.restart = append(p.restart, key+"."+fileKind)
	default:
		p.open[s.Name] = true
		if !there {
			key += " (added)"
		}
		p.changed = append(p.changed, key)
	}
}

// fileIsOpen reports whether a store of old has the file of s open.
func fileIsOpen(s *config.Store, old *config.Config) bool {
	path, err := storePath(s)
	if err != nil {
		return false
	}
	ours, err := os.Stat(path)
	if err != nil {
		return false
	}
	for i := range old.Stores {
		file, err := storePath(&old.Stores[i])
		if err != nil || file == "" {
			continue
		}
		if theirs, err := os.Stat(file); err == nil && os.SameFile(ours, theirs) {
			return true
		}
	}
	return false
}

// openPlanned returns all stores of what comes next, those that stay without a
// backend. Its error joins those of every store that does not open. A file that is
// missing is made last, and only where mayMake says so and all else has opened.
func (a *app) openPlanned(ctx context.Context, u *upcoming, mayMake bool) ([]gateway.Store, error) {
	all := make([]gateway.Store, len(u.rt.cfg.Stores))
	made := make([]bool, len(all))
	for i := range made {
		made[i] = isMade(&u.rt.cfg.Stores[i])
	}
	var errs []error
	for _, missing := range []bool{false, true} {
		if missing && (!mayMake || len(errs) > 0) {
			break
		}
		for i := range u.rt.cfg.Stores {
			s := &u.rt.cfg.Stores[i]
			if made[i] != missing {
				continue
			}
			all[i] = settingsOf(s)
			if !u.stores.open[s.Name] {
				continue
			}
			b, err := a.openStore(ctx, s, u.rt)
			if err != nil {
				errs = append(errs, openError(s, err))
				continue
			}
			all[i].Backend = b
			u.stores.opened = append(u.stores.opened, all[i])
		}
	}
	var err error
	u.stores.held, err = heldStores(u.rt.cfg)
	return all, errors.Join(append(errs, err)...)
}

// isMade reports whether to open the store is to make its file.
func isMade(s *config.Store) bool {
	path, err := storePath(s)
	if err != nil || path == "" {
		return false
	}
	_, missing := os.Stat(path)
	dir, err := os.Stat(filepath.Dir(path))
	return errors.Is(missing, os.ErrNotExist) && err == nil && dir.IsDir()
}

// warnLost says of stores in memory what an operator should know.
func warnLost(log *slog.Logger, stores []config.Store) {
	for i := range stores {
		if stores[i].Backend == memoryKind {
			log.Warn("what this store holds is lost when the gateway stops", slog.String("store", stores[i].Name))
		}
	}
}
