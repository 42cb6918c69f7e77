package main

import (
	"context"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/secret"
)

// imitated is the name of an imitation's store, and standing that of the same one
// without the product's limits: for what stands in the product already.
const (
	imitated = "imitation"
	standing = "standing"
)

// imitation is a gateway over an empty store that holds what a product holds, and
// no more: to try what a restore would do. It is in memory, and so is its audit,
// which nobody reads: nothing of it reaches any disk or network. It is safe for
// concurrent use.
type imitation struct {
	*gateway.Service
	backend backends.Backend
}

// imitate opens an imitation of the product, a word of all.Imitations, behind the
// gateway of the configuration: it opens what that opens, and proves what that does.
// Everybody may do everything there.
func (a *app) imitate(product string, cfg *config.Config, keys *backup.Keyring) (*imitation, error) {
	whole := memory.New(memory.Options{Now: a.now})
	b, err := all.ImitationOver(whole, product)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	s, err := gateway.New(gateway.Options{
		ID: gatewayID(cfg, keys), RequireProof: cfg.Keyring.RequireProof, Policy: access.NewPolicy(nil), Keyring: keys,
		Stores: []gateway.Store{{Name: imitated, Kind: memoryKind, Backend: b}, {Name: standing, Kind: memoryKind, Backend: whole}},
		Audit:  audit.New(discarded{}, a.now), Log: a.log(), Now: a.now, MaxBlobs: max(restoresAtOnce, a.atOnce), Writes: events.NewRecorder(),
	})
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &imitation{s, b}, nil
}

// forget removes the secret, as if it had never been there.
func (i *imitation) forget(ctx context.Context, name secret.Name) error {
	_, err := i.backend.Delete(ctx, name, time.Time{})
	if err != nil && !errors.Is(err, secret.NotFound) {
		return err
	}
	if err := i.backend.Purge(ctx, name); err != nil && !errors.Is(err, secret.NotFound) {
		return err
	}
	return nil
}

// discarded is the file of an audit that nobody reads.
type discarded struct{}

func (discarded) Write(b []byte) (int, error) { return len(b), nil }
func (discarded) Sync() error                 { return nil }
func (discarded) Close() error                { return nil }
