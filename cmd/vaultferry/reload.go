package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway/control"
)

func (a *app) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the running gateway read its configuration again",
		Long: `The running gateway takes callers, issuers, groups, the policy, routes, the login, stores,
the keyring and its certificates from its configuration file, and from files
that it refers to, and says what has changed. It takes all of it or nothing: an
invalid file, a store that cannot be opened, or a change that counts after a
restart alone, changes nothing. A certificate that was renewed in its place is
taken all the same. Running requests end as they began.

SIGHUP does the same.`,
		Example: `  vaultferry reload`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, err := a.dialGateway(cmd.Context(), ": send it SIGHUP")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, c.Close()) }()
			done, err := c.Reload(cmd.Context(), a.call("reload"))
			if err != nil {
				return err
			}
			return a.printReloaded(done)
		},
	}
}

// printReloaded: an invalid file is 2, as everywhere.
func (a *app) printReloaded(done control.Reloaded) error {
	err := a.print(done, func(w io.Writer) error {
		var rows [][]string
		for _, p := range done.Problems {
			rows = append(rows, []string{"error", p})
		}
		for _, key := range done.Restart {
			rows = append(rows, []string{"restart", key + " has changed, which counts after a restart alone"})
		}
		for _, key := range done.Changed {
			rows = append(rows, []string{"changed", key})
		}
		switch {
		case nothingTaken(done) && len(done.Changed) > 0:
			rows = append(rows, []string{"nothing", "else: the gateway goes on as before"})
		case nothingTaken(done):
			rows = append(rows, []string{"nothing", "the gateway goes on as before"})
		case rows == nil:
			rows = append(rows, []string{"nothing", "the configuration is as it was"})
		}
		return table(w, rows)
	})
	switch {
	case err != nil:
		return err
	case len(done.Problems) > 0:
		return &exitError{code: exitUsage}
	case len(done.Restart) > 0:
		return &exitError{code: exitFailed}
	}
	return nil
}
