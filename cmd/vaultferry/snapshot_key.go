package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/snapshot"
)

func (a *app) snapshotKeyCommand(f *repositoryFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Say who can open a repository",
		Long: `The keys of a repository are wrapped for one or more recipients, each a key of some
keyring. These commands change nothing but that: no document is touched.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.snapshotKeyAddCommand(f), a.snapshotKeyListCommand(f), a.snapshotKeyRemoveCommand(f))
	return cmd
}

func (a *app) printRecipients(r *snapshot.Repository) error {
	all, err := r.Recipients()
	if err != nil {
		return err
	}
	rows := [][]string{{"RECIPIENT", "THIS KEYRING"}}
	for _, one := range all {
		held := "does not hold it"
		if one.Held {
			held = "opens it"
		}
		rows = append(rows, []string{one.KID, held})
	}
	return a.print(all, func(w io.Writer) error { return table(w, rows) })
}

func (a *app) snapshotKeyListCommand(f *repositoryFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list --repo DIR", Short: "List the recipients",
		Example: `  vaultferry snapshot key list --repo /backup/vaults`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			return a.printRecipients(r)
		},
	}
}

func (a *app) snapshotKeyAddCommand(f *repositoryFlags) *cobra.Command {
	var recipient string
	var w writeFlags
	cmd := &cobra.Command{
		Use: "add --repo DIR", Short: "Add a recipient",
		Long: `Wraps the repository's keys for the key that seals in another keyring, or in a file
of public halves: a second operator, or an escrow key that is kept offline. Without
--recipient it is the present key of this keyring: after a key was retired.

A recipient opens all documents, also those of later snapshots.`,
		Example: `  vaultferry snapshot key add --repo /backup/vaults --recipient escrow-public.json
  vaultferry snapshot key add --repo /backup/vaults`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := f.keys(cmd.Context(), a)
			if err == nil && recipient != "" {
				to, err = loadKeyring(recipient)
			}
			if err != nil {
				return err
			}
			return a.editRecipients(cmd.Context(), f, &w, "cli.snapshot.key.add", "add a recipient?", func(r *snapshot.Repository, lock *snapshot.Lock) (string, error) {
				return r.AddRecipient(lock, to)
			})
		},
	}
	cmd.Flags().StringVar(&recipient, "recipient", "", "the keyring of the recipient, or its public halves")
	cmd.Flags().BoolVar(&w.confirm, "confirm", false, "ask before each change; needs a terminal")
	return cmd
}

func (a *app) snapshotKeyRemoveCommand(f *repositoryFlags) *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use: "remove KEY --repo DIR", Short: "Remove a recipient",
		Long: `Removes what is wrapped for a key. Whoever could open it before is not locked out:
he may have kept the repository's keys. Make another repository to lock somebody
out of what comes. The last recipient is refused.`,
		Example: `  vaultferry snapshot key remove 0123456789abcdef0123456789abcdef --repo /backup/vaults`,
		Args:    arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.editRecipients(cmd.Context(), f, &w, "cli.snapshot.key.remove", "remove recipient "+args[0]+"?", func(r *snapshot.Repository, lock *snapshot.Lock) (string, error) {
				return args[0], r.RemoveRecipient(lock, args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&w.confirm, "confirm", false, "ask before each change; needs a terminal")
	return cmd
}

// editRecipients asks, does, writes the audit line, and shows who is left. edit
// returns the id of the key that it is about.
func (a *app) editRecipients(ctx context.Context, f *repositoryFlags, w *writeFlags, op, question string, edit func(*snapshot.Repository, *snapshot.Lock) (string, error)) error {
	if err := w.requireTerminal(a); err != nil {
		return err
	}
	r, err := f.open(ctx, a)
	if err != nil {
		return err
	}
	if err := w.approve(ctx, a, question); err != nil {
		return err
	}
	err = a.locked(ctx, r, "snapshot.key", func(_ context.Context, lock *snapshot.Lock) error {
		kid, err := edit(r, lock)
		if err != nil {
			return err
		}
		e := a.auditEntry(op)
		e.Key, e.Reason = kid, "repository "+r.ID()
		return a.changedRepository(f.repo, e)
	})
	if err != nil {
		return err
	}
	return a.printRecipients(r)
}
