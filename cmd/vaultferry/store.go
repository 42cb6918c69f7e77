package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/httpd"
)

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Back up, check and rewrite a bolt store as a whole; check and upgrade a postgres store",
		Long: `A bolt store is one file, sealed with a key of its own that the keyring wraps.
"backup" and "check" work while the gateway runs: they ask it through its control
socket. "restore", "compact" and "rekey" need the file for themselves: stop the
gateway first.

A postgres store is a schema of a database. "upgrade" makes it, and "check" reads
all of it; gateways go on meanwhile.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.storeBackupCommand(), a.storeRestoreCommand(), a.storeCheckCommand(), a.storeCompactCommand(), a.storeRekeyCommand(), a.storeUpgradeCommand())
	return cmd
}

// storeFile is a store that this program does not have open, as a file.
type storeFile struct {
	*runtime
	gateway.Store
	config *config.Store
	path   string
}

// withStore runs f over the file of a bolt store.
func (a *app) withStore(ctx context.Context, name string, f func(*storeFile) error) (err error) {
	cfg, s, err := a.boltStore(name)
	if err != nil {
		return err
	}
	path, err := storePath(s)
	if err != nil {
		return err
	}
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return err
	}
	rt := &runtime{cfg: cfg, keys: keys, metrics: httpd.NewMetrics(), log: a.log()}
	if err := a.assembleOver(rt, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.close()) }()
	return f(&storeFile{runtime: rt, Store: gateway.Store{Name: name, ReadOnly: s.ReadOnly}, config: s, path: path})
}

// boltStore is a store that is a file, in the configuration.
func (a *app) boltStore(name string) (*config.Config, *config.Store, error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, nil, err
	}
	s, err := a.configured(cfg, name)
	if err != nil {
		return nil, nil, err
	}
	if s.Backend != fileKind {
		return nil, nil, usagef("store %s is of kind %s: only a store of kind %s is a file", name, s.Backend, fileKind)
	}
	return cfg, s, nil
}

// failure says what a store's file is not fit for.
func (s *storeFile) failure(err error) error {
	if err == nil {
		return nil
	}
	return adviseInUse(openError(s.config, err), stopFirst)
}

// storeReport is what a command did to a store, for programs.
type storeReport struct {
	Store  string             `json:"store"`
	Result string             `json:"result"` // done, would or declined
	File   string             `json:"file,omitempty"`
	Digest string             `json:"sha256,omitempty"` // of that file
	Old    string             `json:"old,omitempty"`    // the file that stood there before
	Before *backends.Findings `json:"before,omitempty"` // of the file that was replaced
	Found  *backends.Findings `json:"found,omitempty"`  // of the file that stands now

	line string
}

func (r *storeReport) text(w io.Writer) error {
	if r.line == "" {
		return nil
	}
	_, err := fmt.Fprintln(w, r.line)
	return err
}

// approveAndRun asks, does and reports.
func (a *app) approveAndRun(ctx context.Context, w *writeFlags, question string, r *storeReport, do func() error) error {
	r.Result = "done"
	if w.dryRun {
		r.Result = "would"
	} else if err := w.approve(ctx, a, question); errors.Is(err, errDeclined) {
		r.Result = "declined"
		return a.print(r, r.text)
	} else if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return a.print(r, r.text)
}

// countSecrets says what a store holds.
func countSecrets(f *backends.Findings) string {
	s := fmt.Sprintf("%d secrets", f.Secrets)
	if f.Secrets == 1 {
		s = "1 secret"
	}
	if f.Deleted > 0 {
		s += fmt.Sprintf(" and %d deleted", f.Deleted)
	}
	return s + " with " + versions(f.Versions)
}
