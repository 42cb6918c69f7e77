package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// planUse are the flags of the commands that work by a plan.
type planUse struct {
	paceFlags
	runKey string
}

func (f *planUse) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.runKey, "run-key", "", "the file of the plan's run key")
	f.paceFlags.flags(cmd)
}

// withPlan opens a plan for a command.
func (a *app) withPlan(ctx context.Context, path string, f *planUse, do func(*planFile) error) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	p, err := a.openPlan(ctx, path, f.runKey)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return do(p)
}

// withStores opens both stores of a plan. op is what the audit calls it.
func (a *app) withStores(ctx context.Context, p *planFile, op string, f *planUse, do func(*move) error) (err error) {
	m, err := a.openMove(ctx, p.Header.From, p.Header.To, op, p.Header.Run, &f.paceFlags)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := p.fits(m); err != nil {
		return err
	}
	return do(m)
}

// fits fails where a store is in another product than when the plan was made: what the
// plan foretells holds for that one alone.
func (p *planFile) fits(m *move) error {
	for _, side := range []struct {
		s   *session
		was string
	}{{m.from, p.Header.FromProduct}, {m.to, p.Header.ToProduct}} {
		if is := side.s.productWord(); is != side.was {
			return usagef("%s was made when store %s was in %s, and it is in %s now: plan again", p.path, side.s.store.Name, side.was, is)
		}
	}
	return nil
}

// planFile is a plan that was read to its end and found good.
type planFile struct {
	*migrate.Checked
	path   string
	digest string // SHA-256 of the file
	key    inventory.Key
	keys   *backup.Keyring
	cfg    *config.Config
	file   *os.File
	keyOf  func(*migrate.Header) (inventory.Key, error)
}

// openPlan reads a plan. What is wrong with it is wrong usage: nothing was tried.
func (a *app) openPlan(ctx context.Context, path, runKey string) (p *planFile, err error) {
	defer func() {
		var exit *exitError
		if err != nil && !errors.As(err, &exit) {
			err = &exitError{exitUsage, fmt.Errorf("%s: %s", path, message(secret.WithoutPath(err)))}
		}
	}()
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, err
	}
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return nil, err
	}
	f, err := osfile.OpenRegular(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	p = &planFile{path: path, keys: keys, cfg: cfg, file: f, keyOf: func(h *migrate.Header) (inventory.Key, error) {
		return runKeyOf("plan", h.RunKeyID, h.RunKey, runKey, keys)
	}}
	if err := p.check(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

func (p *planFile) check() error {
	sum := sha256.New()
	r, err := migrate.NewPlanReader(io.TeeReader(p.file, sum), p.keyOf)
	if err != nil {
		return err
	}
	p.key = r.Key()
	p.Checked, err = migrate.CheckPlan(r)
	p.digest = hex.EncodeToString(sum.Sum(nil))
	return err
}

// entries calls do with each entry.
func (p *planFile) entries(do func(*migrate.Entry) error) error {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r, err := migrate.NewPlanReader(p.file, func(*migrate.Header) (inventory.Key, error) { return p.key, nil })
	if err != nil {
		return err
	}
	return p.Entries(r, do)
}

func (p *planFile) close() error { return p.file.Close() }

// looks compares what stands on both sides of m now.
func (p *planFile) looks(m *move, f *planUse) *migrate.Verification {
	return &migrate.Verification{From: live(&m.source, p.key), To: live(&m.target, p.key), Key: p.key, Readers: f.concurrency}
}

// live is a side as it stands now.
func live(s *migrate.Side, k inventory.Key) migrate.Live {
	return migrate.Live{Side: s, Key: k, Ends: endsAll}
}

// surveyed is how far the inventory of one side is.
func (p *planFile) surveyed(s *migrate.Survey, side *migrate.Side) (*progress, error) {
	far := newProgress(time.Now, 0, side)
	s.Absent = func(secret.Name) { far.step(false) }
	return far, p.entries(func(e *migrate.Entry) error {
		if s.Names(e) {
			far.total.Add(1)
		}
		return nil
	})
}
