package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/postgres"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/httpd"
)

// databaseKind is of stores in a database, which any number of processes share.
const databaseKind = "postgres"

func (a *app) storeUpgradeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade STORE",
		Short: "Make the schema of a postgres store, or bring it up to this release",
		Long: `Makes the tables of a store in a PostgreSQL database and its data key, which the
keyring wraps, or brings older tables up to this release. It is one transaction:
all of it is done, or nothing. Two at once wait for each other. A schema that is
up to date stays as it is.

Gateways go on meanwhile. Those of an older release go on for as long as the new
schema allows it; one that it does not allow refuses to start.

It logs in as postgres.upgrade.user where that is set. docs/postgres.md lists the
rights that the two roles need.`,
		Example: `  vaultferry store upgrade payments`,
		Args:    arguments("STORE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := a.upgradeStore(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(v, v.text)
		},
	}
}

type storeUpgradeView struct {
	Store string `json:"store"`
	*postgres.Upgraded
}

func (v *storeUpgradeView) text(w io.Writer) error {
	line := fmt.Sprintf("%s: upgraded from version %d to %d", v.Store, v.From, v.To)
	switch v.From {
	case 0:
		line = fmt.Sprintf("%s: made, version %d, under key %s", v.Store, v.To, v.Key)
	case v.To:
		line = fmt.Sprintf("%s: up to date, version %d", v.Store, v.To)
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

func (a *app) upgradeStore(ctx context.Context, name string) (v *storeUpgradeView, err error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, err
	}
	s, err := a.configured(cfg, name)
	if err != nil {
		return nil, err
	}
	if s.Backend != databaseKind {
		return nil, usagef("store %s is of kind %s: only a store of kind %s has a schema", name, s.Backend, databaseKind)
	}
	var c postgres.Config
	c.SetDefaults()
	if err := errors.Join(s.Section().Decode(&c), c.Validate()); err != nil {
		return nil, err
	}
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return nil, err
	}
	rt := &runtime{cfg: cfg, keys: keys, metrics: httpd.NewMetrics(), log: a.log()}
	if err := a.assembleOver(rt, nil); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rt.close()) }()
	v = &storeUpgradeView{Store: name}
	err = rt.service.WholeStore(ctx, a.call("store.upgrade"), access.Update, gateway.Store{Name: name}, func(ctx context.Context) (err error) {
		v.Upgraded, err = postgres.Upgrade(ctx, backends.Env{Store: name, Keys: keys}, &c)
		return err
	})
	if err != nil {
		return nil, openError(s, err)
	}
	return v, nil
}
