package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// repositoryFlags are those of every command on a repository.
type repositoryFlags struct {
	repo, keyring string
}

func (a *app) snapshotCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Keep snapshots of whole stores in a repository",
		Long: `A repository is a folder that any tool can copy. Its documents are sealed with keys
of its own, which are wrapped for the keyring. A secret that is unchanged is
stored once, in however many snapshots it is.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := new(repositoryFlags)
	cmd.PersistentFlags().StringVar(&f.repo, "repo", "", "the repository's folder")
	cmd.PersistentFlags().StringVar(&f.keyring, "keyring", "", "the keyring's file (default: the configuration's)")
	cmd.AddCommand(a.snapshotInitCommand(f), a.snapshotCreateCommand(f), a.snapshotListCommand(f), a.snapshotShowCommand(f), a.snapshotCheckCommand(f), a.snapshotRestoreCommand(f),
		a.snapshotForgetCommand(f), a.snapshotPruneCommand(f), a.snapshotKeyCommand(f), a.snapshotDiffCommand(f), a.snapshotDrillCommand(f))
	return cmd
}

// keys loads the keyring that signs, and that is a recipient.
func (f *repositoryFlags) keys(ctx context.Context, a *app) (*backup.Keyring, error) {
	if f.repo == "" {
		return nil, usagef("--repo DIR is missing")
	}
	s, _, err := a.sourceOf(f.keyring)
	if err != nil {
		return nil, err
	}
	return loadSource(ctx, s)
}

// open opens the repository.
func (f *repositoryFlags) open(ctx context.Context, a *app) (*snapshot.Repository, error) {
	keys, err := f.keys(ctx, a)
	if err != nil {
		return nil, err
	}
	return snapshot.Open(f.repo, keys, a.now)
}

// locked does what changes the repository, under its lock.
func (a *app) locked(ctx context.Context, r *snapshot.Repository, does string, do func(context.Context, *snapshot.Lock) error) error {
	held, lock, err := r.Lock(ctx, a.call(does).Caller.ID, does)
	if err != nil {
		return err
	}
	err = do(held, lock)
	if held.Err() != nil && ctx.Err() == nil {
		err = errors.Join(lock.Check(), err)
	}
	return errors.Join(err, lock.Release())
}

// changedRepository writes the audit line of a change that was made to a
// repository: what it was is in e.
func (a *app) changedRepository(repo string, e audit.Entry) (err error) {
	cfg, err := a.loadUnresolved()
	if err != nil { // no gateway, no audit
		return nil
	}
	log, err := audit.OpenWith(cfg.Audit.File, a.besideAudit())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if e.File, err = filepath.Abs(repo); err != nil {
		return err
	}
	return log.Write(e, true)
}

type repositoryView struct {
	Repository string `json:"repository"`
	Folder     string `json:"folder"`
}

func (a *app) snapshotInitCommand(f *repositoryFlags) *cobra.Command {
	return &cobra.Command{
		Use: "init --repo DIR", Short: "Make a repository, and its keys",
		Long: `Makes a repository in a folder that is empty or not there. Its keys are wrapped for
the keyring, which must be able to seal, open and sign.

Without a keyring that is a recipient nobody opens a snapshot: keep a copy of
the keyring elsewhere.`,
		Example: `  vaultferry snapshot init --repo /backup/vaults`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, err := f.keys(cmd.Context(), a)
			if err != nil {
				return err
			}
			r, err := snapshot.Init(f.repo, keys, a.now)
			if errors.Is(err, secret.Unsupported) {
				return &exitError{exitUsage, errors.New(message(err) + "; vaultferry keys new --add adds a key")}
			}
			if err != nil {
				return err
			}
			e := a.auditEntry("cli.snapshot.init")
			e.Key = r.ID()
			return errors.Join(a.changedRepository(f.repo, e), a.print(repositoryView{r.ID(), f.repo}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "repository %s in %s\n", r.ID(), f.repo)
				return err
			}))
		},
	}
}
