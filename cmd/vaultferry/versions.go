package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) versionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "versions STORE NAME",
		Short: "List the versions of a secret, without values",
		Example: `  vaultferry versions payments db-password
  vaultferry versions payments db-password --output json | jq -r '.[].id'`,
		SuggestFor: []string{"history"},
		Args:       arguments("STORE", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			ref := gateway.Ref{Store: args[0], Name: secret.Name(args[1])}
			found, err := s.service.Describe(cmd.Context(), a.call("versions"), ref)
			if err != nil {
				return fmt.Errorf("%s in store %s: %w", printable(args[1]), ref.Store, adviseTrash(ref, err))
			}
			view := viewSecret(ref.Store, found)
			return a.print(append([]versionView{}, view.Versions...), func(w io.Writer) error { return table(w, versionRows(view)) })
		},
	}
}
