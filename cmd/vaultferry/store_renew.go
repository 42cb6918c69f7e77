package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) storeCompactCommand() *cobra.Command {
	return a.renewCommand(renewal{
		op: "compact", did: "compacted", renew: bolt.Compact,
		says: func(before, after *backends.Findings) string {
			return fmt.Sprintf("%d bytes before, %d after", before.Bytes, after.Bytes)
		},
	}, &cobra.Command{
		Use:   "compact STORE",
		Short: "Write a bolt store anew without what is free in it",
		Long: `A file of bolt never shrinks: what was purged or replaced leaves room that later
writes use. This writes it anew without that room, and without what still stands
in it, sealed. Whenever it ends, the old or the new file stands whole. Stop the
gateway first; it needs as much space as the store.`,
		Example: `  vaultferry store compact payments --dry-run
  vaultferry store compact payments`,
	})
}

func (a *app) storeRekeyCommand() *cobra.Command {
	return a.renewCommand(renewal{
		op: "rekey", did: "sealed anew", renew: bolt.Rekey,
		says: func(before, after *backends.Findings) string {
			return fmt.Sprintf("key %s before, %s now", before.Key, after.Key)
		},
	}, &cobra.Command{
		Use:   "rekey STORE",
		Short: "Seal a bolt store anew under the key that seals now",
		Long: `Makes a new key for the store, wrapped by the key of the keyring that seals now,
and seals every record anew with it in a new file. After "keys retire" this frees
the store of the old key, of which none opens anything in the new file; copies
from before still need it. Whenever it ends, the old or the new file stands
whole. Stop the gateway first; it needs as much space as the store.`,
		Example: `  vaultferry keys retire OLD && vaultferry store rekey payments`,
	})
}

// renewal is a command that writes a store's file anew.
type renewal struct {
	op, did string
	renew   func(context.Context, string, backends.KeyWrapper) (before, after *backends.Findings, err error)
	says    func(before, after *backends.Findings) string
}

func (a *app) renewCommand(n renewal, cmd *cobra.Command) *cobra.Command {
	var w writing
	cmd.Args = arguments("STORE")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := w.ready(a); err != nil {
			return err
		}
		return a.withStore(args[0], func(s *storeFile) error { return a.renew(cmd.Context(), s, n, &w) })
	}
	w.flags(cmd)
	return cmd
}

func (a *app) renew(ctx context.Context, s *storeFile, n renewal, w *writing) error {
	r := &storeReport{Store: s.Name, File: s.path}
	return a.storeDo(ctx, w, fmt.Sprintf("%s %s?", n.op, s.path), r, func() error {
		action := access.Update
		if w.dryRun {
			action = access.List
		}
		s.ReadOnly = false // no secret changes
		err := s.service.WholeStore(ctx, a.call("store."+n.op), action, s.Store, func(ctx context.Context) (err error) {
			if w.dryRun {
				r.Found, err = bolt.Verify(ctx, s.path, s.path, s.keys)
				return err
			}
			r.Before, r.Found, err = n.renew(ctx, s.path, s.keys)
			return err
		})
		switch {
		case err != nil:
			return s.failure(err)
		case w.dryRun:
			r.line = fmt.Sprintf("would renew %s: %s, %d bytes, of which %d are free", s.path, countSecrets(r.Found), r.Found.Bytes, r.Found.FreeBytes)
		default:
			r.line = fmt.Sprintf("%s %s: %s, %s", n.did, s.path, countSecrets(r.Found), n.says(r.Before, r.Found))
		}
		return nil
	})
}

func (a *app) storeRestoreCommand() *cobra.Command {
	var w writing
	var replace bool
	var from string
	cmd := &cobra.Command{
		Use:   "restore STORE FILE",
		Short: "Put a copy in the place of a bolt store",
		Long: `Copies a FILE that "store backup" wrote beside the store's own, finds it sound
with this keyring, and gives it the store's name. Where a store stands already it
is refused, unless --replace keeps that as PATH.TIME.old and says so. Whenever it
ends, the old or the new store stands whole. Stop the gateway first.

A copy of a store that had another name is refused unless --from says that name:
the policy's rules are about names of stores.`,
		Example: `  vaultferry store restore payments payments-1700000000.000000.db --dry-run
  vaultferry store restore payments payments-1700000000.000000.db --replace`,
		Args: arguments("STORE", "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.ready(a); err != nil {
				return err
			}
			return a.withStore(args[0], func(s *storeFile) error {
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

func (a *app) storeRestore(ctx context.Context, s *storeFile, w *writing, o *bolt.Restore) error {
	r := &storeReport{Store: s.Name, File: s.path}
	return a.storeDo(ctx, w, fmt.Sprintf("restore all of %s from %s?", s.Name, o.From), r, func() error {
		var out *bolt.Restored
		err := s.service.WholeStore(ctx, a.call("store.restore"), access.Restore, s.Store, func(ctx context.Context) (err error) {
			out, err = o.Into(ctx, s.path)
			return err
		})
		switch {
		case errors.Is(err, secret.AlreadyExists):
			return fmt.Errorf("%s exists already, and nothing was done; --replace takes its place and keeps it", s.path)
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
