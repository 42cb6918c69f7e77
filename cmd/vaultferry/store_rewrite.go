package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/gateway/access"
)

func (a *app) storeCompactCommand() *cobra.Command {
	return a.rewriteCommand(rewrite{
		op: "compact", did: "compacted", run: bolt.Compact,
		says: func(before, after *backends.Findings) string {
			return fmt.Sprintf("%d bytes before, %d after", before.Bytes, after.Bytes)
		},
	}, &cobra.Command{
		Use:   "compact STORE",
		Short: "Rewrite a bolt store without its free space",
		Long: `A bolt file never shrinks. What was purged or replaced leaves free space, which
later writes use, and in which the old data still lies, sealed. This command
writes the file anew without that space. Whenever it ends, the old or the new
file is there, and whole. It needs as much space as the store. Stop the gateway
first.`,
		Example: `  vaultferry store compact payments --dry-run
  vaultferry store compact payments`,
	})
}

func (a *app) storeRekeyCommand() *cobra.Command {
	return a.rewriteCommand(rewrite{
		op: "rekey", did: "sealed anew", run: bolt.Rekey,
		says: func(before, after *backends.Findings) string {
			return fmt.Sprintf("key %s before, %s now", before.Key, after.Key)
		},
	}, &cobra.Command{
		Use:   "rekey STORE",
		Short: "Encrypt a bolt store again, under the current key",
		Long: `Makes a new key for the store, wrapped by the current key of the keyring, and
writes every record anew with it to a new file. After "keys retire" the store no
longer needs the old key. Copies from before still do. Whenever the command ends,
the old or the new file is there, and whole. It needs as much space as the store.
Stop the gateway first.`,
		Example: `  vaultferry keys retire OLD && vaultferry store rekey payments`,
	})
}

// rewrite is a command that writes a store's file anew.
type rewrite struct {
	op, did string
	run     func(context.Context, string, backends.KeyWrapper) (before, after *backends.Findings, err error)
	says    func(before, after *backends.Findings) string
}

func (a *app) rewriteCommand(n rewrite, cmd *cobra.Command) *cobra.Command {
	var w writeFlags
	cmd.Args = arguments("STORE")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := w.requireTerminal(a); err != nil {
			return err
		}
		return a.withStore(cmd.Context(), args[0], func(s *storeFile) error { return a.rewrite(cmd.Context(), s, n, &w) })
	}
	w.flags(cmd)
	return cmd
}

func (a *app) rewrite(ctx context.Context, s *storeFile, n rewrite, w *writeFlags) error {
	r := &storeReport{Store: s.Name, File: s.path}
	return a.approveAndRun(ctx, w, fmt.Sprintf("%s %s?", n.op, s.path), r, func() error {
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
			r.Before, r.Found, err = n.run(ctx, s.path, s.keys)
			return err
		})
		switch {
		case err != nil:
			return s.failure(err)
		case w.dryRun:
			r.line = fmt.Sprintf("would write %s anew: %s, %d bytes, of which %d are free", s.path, countSecrets(r.Found), r.Found.Bytes, r.Found.FreeBytes)
		default:
			r.line = fmt.Sprintf("%s %s: %s, %s", n.did, s.path, countSecrets(r.Found), n.says(r.Before, r.Found))
		}
		return nil
	})
}
