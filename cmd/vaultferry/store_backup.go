package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/gateway/access"
)

func (a *app) storeBackupCommand() *cobra.Command {
	var w writeFlags
	var force bool
	cmd := &cobra.Command{
		Use:   "backup STORE [FILE]",
		Short: "Copy a bolt store to a file while the gateway runs",
		Long: `Writes one state of the whole store to FILE, mode 0600, and prints its name. The
default is STORE-UNIXTIME.FRACTION.db in the current folder. A running gateway
makes the copy itself, and serves on meanwhile. The command checks the copy
before it gets its name, so a file that was cut short never looks like a backup.
It makes no copy of a damaged store. The audit gets the file's name and its
SHA-256.

The copy is sealed like the store, and opens with the keyring alone: keep that
elsewhere. "store check" checks a copy. "store restore" puts one in the place of
a store.`,
		Example: `  vaultferry store backup payments
  vaultferry store backup payments /backup/payments.db --force`,
		Args: arguments("STORE", "[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			return a.withStore(cmd.Context(), args[0], func(s *storeFile) error {
				r := &storeReport{Store: s.Name, File: storeCopyName(s.Name, a.now())}
				if len(args) == 2 {
					r.File = args[1]
				}
				return a.storeBackup(cmd.Context(), s, r, &w, force)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file")
	w.flags(cmd)
	return cmd
}

// storeCopyName is as that of a secret's backup, and ends as a file of bolt.
func storeCopyName(store string, at time.Time) string {
	return fmt.Sprintf("%s-%d.%06d.db", store, at.Unix(), at.Nanosecond()/1000)
}

func (a *app) storeBackup(ctx context.Context, s *storeFile, r *storeReport, w *writeFlags, force bool) error {
	return a.approveAndRun(ctx, w, fmt.Sprintf("back up all of %s to %s?", s.Name, r.File), r, func() error {
		r.line = r.File
		taken := fmt.Errorf("%s exists already; --force replaces it", r.File)
		if _, err := os.Lstat(r.File); err == nil && !force {
			return taken // and before all of it is read
		}
		if err := mustNotOverwrite(r.File, append(a.configuredFiles(), s.path)...); err != nil {
			return err
		}
		if w.dryRun {
			r.line = "would write " + r.File
			_, err := os.Stat(s.path)
			return err
		}
		err := writeWhole(r.File, force, func(out *os.File) error {
			if err := a.storeSnapshot(ctx, s, out); err != nil {
				return s.failure(err)
			}
			var err error
			r.Found, err = bolt.Verify(ctx, "the copy", out.Name(), s.keys)
			if err != nil {
				return fmt.Errorf("%w; nothing was written; vaultferry store check %s lists all of it", err, s.Name)
			}
			if r.Digest, err = fileDigest(out.Name()); err != nil {
				return err
			}
			return a.copied(s.cfg, s.Name, r.File, r.Digest)
		})
		if errors.Is(err, os.ErrExist) {
			return taken
		}
		return err
	})
}

// storeSnapshot asks the gateway that has the store open, or reads the file.
func (a *app) storeSnapshot(ctx context.Context, s *storeFile, out *os.File) (err error) {
	call := a.call("store.backup")
	running, err := runningGateway(ctx, s.cfg, s.config)
	if err != nil {
		return err
	}
	if running != nil {
		defer func() { err = errors.Join(err, running.Close()) }()
		return running.Snapshot(ctx, call, s.Name, out)
	}
	return s.service.WholeStore(ctx, call, access.Backup, s.Store, func(ctx context.Context) error {
		return bolt.Snapshot(ctx, s.path, out)
	})
}
