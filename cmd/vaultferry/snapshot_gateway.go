package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// gatewayFlag is which gateway's snapshots count, where several share a repository.
type gatewayFlag struct{ gateway string }

func (f *gatewayFlag) flags(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&f.gateway, "gateway", "", usage)
}

// narrow leaves the snapshots that the flag asks for.
func (f *gatewayFlag) narrow(h *snapshot.History) (*snapshot.History, error) {
	if f.gateway == "" {
		return h, nil
	}
	return h.Of(f.gateway)
}

// storeAt is the store of a snapshot, and whose it is where several gateways have
// snapshots.
func storeAt(h *snapshot.History, gateway, store string) string {
	if gateway == "" || len(h.Gateways("")) < 2 {
		return store
	}
	return store + " at gateway " + shortID(gateway)
}

// ownGateway is the id that snapshots of this configuration's gateway have.
func (a *app) ownGateway(ctx context.Context) (string, error) {
	cfg, err := a.loadUnresolved()
	if err != nil || cfg.Gateway.ID != "" {
		return cfg.Gateway.ID, err
	}
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return "", err
	}
	return gatewayID(cfg, keys), nil
}

// newestAt is the snapshot of the store that was begun last before the time: of the
// own gateway where that has any of the store, else of the only one that has. A lost
// keyring takes the id with it, so another gateway's may be the own of before.
func newestAt(h *snapshot.History, own, store string, at time.Time) (*snapshot.Snapshot, error) {
	gateways := h.Gateways(store)
	switch {
	case store == "":
		return nil, secret.Errorf(secret.NotFound, "there is no snapshot in this repository; vaultferry snapshot create takes one")
	case len(gateways) == 0:
		return nil, secret.Errorf(secret.NotFound, "there is no snapshot of %s", store)
	case slices.Contains(gateways, own):
	case len(gateways) == 1:
		own = gateways[0]
	default:
		return nil, usagef("of which gateway? --gateway is %s", strings.Join(gateways, " or "))
	}
	if s := h.At(own, store, at); s != nil {
		return s, nil
	}
	others := slices.DeleteFunc(gateways, func(id string) bool { return id == own })
	hint := ""
	if len(others) > 0 {
		hint = "; --gateway may be " + strings.Join(others, " or ")
	}
	return nil, fmt.Errorf("%w%s", secret.Errorf(secret.NotFound, "there is no snapshot of %s at gateway %s that was begun before %s", store, own, at.UTC().Format(time.RFC3339)), hint)
}
