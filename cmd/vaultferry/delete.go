package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) deleteCommand() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "delete STORE NAME",
		Short: "Delete a secret, so that it can be recovered for a time",
		Long: `Moves a secret with all its versions to the trash, and says until when "recover"
brings it back. After that "sweep" removes it for ever.`,
		Example: `  vaultferry delete payments db-password
  vaultferry list payments --deleted`,
		SuggestFor: []string{"rm", "remove", "del"},
		Args:       arguments("STORE", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := change{op: "delete", action: access.Delete, store: args[0], name: secret.Name(args[1]), flags: &w}
			c.plan = func(have *secret.Secret) (string, error) {
				if have.Deleted != nil {
					return "", &secret.Error{Kind: secret.Trashed, Name: have.Name}
				}
				return fmt.Sprintf("delete %s: %s", c.in(), versions(len(have.Versions))), nil
			}
			c.do = func(ctx context.Context, s *session, r *changeReport) error {
				gone, err := s.service.Delete(ctx, a.call(c.op), c.ref())
				if err != nil {
					return err
				}
				r.said = "deleted " + c.in()
				if gone.Deleted != nil {
					if r.Recoverable = timeOrNil(gone.Deleted.Purge); r.Recoverable != nil {
						r.said += ": it can be recovered until " + shortTime(r.Recoverable)
					}
				}
				return nil
			}
			return a.runChange(cmd.Context(), &c)
		},
	}
	w.flags(cmd)
	return cmd
}

func (a *app) recoverCommand() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "recover STORE NAME",
		Short: "Bring a deleted secret back",
		Example: `  vaultferry list payments --deleted
  vaultferry recover payments db-password`,
		SuggestFor: []string{"undelete"},
		Args:       arguments("STORE", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := change{op: "recover", action: access.Recover, store: args[0], name: secret.Name(args[1]), flags: &w}
			c.plan = func(have *secret.Secret) (string, error) {
				if have.Deleted == nil {
					return "", &secret.Error{Kind: secret.AlreadyExists, Name: have.Name, Detail: "the secret is not deleted"}
				}
				return fmt.Sprintf("recover %s: %s", c.in(), versions(len(have.Versions))), nil
			}
			c.do = func(ctx context.Context, s *session, r *changeReport) error {
				back, err := s.service.Recover(ctx, a.call(c.op), c.ref())
				if err != nil {
					return err
				}
				r.Versions = len(back.Versions)
				r.said = fmt.Sprintf("recovered %s: %s", c.in(), versions(r.Versions))
				return nil
			}
			return a.runChange(cmd.Context(), &c)
		},
	}
	w.flags(cmd)
	return cmd
}

// runChange is change, after a look at the command line.
func (a *app) runChange(ctx context.Context, c *change) error {
	if err := a.mayChange(c); err != nil {
		return err
	}
	return a.change(ctx, c)
}
