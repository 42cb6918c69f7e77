package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) storeRestoreCommand() *cobra.Command {
	var w writeFlags
	var replace bool
	var from string
	cmd := &cobra.Command{
		Use:   "restore STORE FILE",
		Short: "Put a copy in the place of a bolt store",
		Long: `Checks a FILE that "store backup" wrote with this keyring, and puts a copy of it
in the place of the store. An existing store is refused. With --replace it is
kept as PATH.TIME.old. Whenever the command ends, the old or the new store is
there, and whole. Stop the gateway first.

A copy of a store that had another name is refused, unless --from gives that
name: the rules of the policy are about names of stores.`,
		Example: `  vaultferry store restore payments payments-1700000000.000000.db --dry-run
  vaultferry store restore payments payments-1700000000.000000.db --replace`,
		Args: arguments("STORE", "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			return a.withStore(cmd.Context(), args[0], func(s *storeFile) error {
				if from == "" {
					from = s.Name
				}
				return a.storeRestore(cmd.Context(), s, &w, &bolt.Restore{
					From: args[1], MadeAs: from, Keys: s.keys, Replace: replace, Now: a.now(), DryRun: w.dryRun,
				})
			})
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "take the place of the store that stands, which is kept beside")
	cmd.Flags().StringVar(&from, "from", "", "the store's name when the copy's file was made (default: STORE)")
	w.flags(cmd)
	return cmd
}

func (a *app) storeRestore(ctx context.Context, s *storeFile, w *writeFlags, o *bolt.Restore) error {
	r := &storeReport{Store: s.Name, File: s.path}
	return a.approveAndRun(ctx, w, fmt.Sprintf("restore all of %s from %s?", s.Name, o.From), r, func() error {
		var out *bolt.Restored
		err := s.service.WholeStore(ctx, a.call("store.restore"), access.Restore, s.Store, func(ctx context.Context) (err error) {
			out, err = o.Into(ctx, s.path)
			return err
		})
		switch {
		case errors.Is(err, secret.AlreadyExists):
			return fmt.Errorf("%s exists already, and nothing was done; --replace moves it aside first", s.path)
		case err != nil:
			return s.failure(err)
		}
		r.Found, r.Old = out.Findings, out.Old
		r.line = fmt.Sprintf("restored %s from %s: %s", s.path, o.From, countSecrets(out.Findings))
		kept := "; what stood there is kept as " + out.Old
		if w.dryRun {
			r.line = fmt.Sprintf("would restore %s from %s: %s", s.path, o.From, countSecrets(out.Findings))
			kept = "; what stands there would be kept as " + out.Old
		}
		if out.Old != "" {
			r.line += kept
		}
		return nil
	})
}
