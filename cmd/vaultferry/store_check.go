package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/gateway/access"
)

func (a *app) storeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check STORE [FILE]",
		Short: "Look for damage in a bolt store, or in a copy of one",
		Long: `Reads all of a bolt store, or of a FILE that "store backup" wrote: every page and
every record, and whether the records agree. It lists the damage with the names
of the secrets, and never a value. The exit code is 1 where there is damage. A
running gateway does the check itself, and serves on meanwhile.

The check cannot detect an older file in the place of a newer one, nor an older
record that all others still fit. It changes nothing.`,
		Example: `  vaultferry store check payments
  vaultferry store check payments payments-1700000000.000000.db
  vaultferry store check payments --output json | jq -r '.damage[].name'`,
		Args: arguments("STORE", "[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(args[0], func(s *storeFile) error {
				v := storeCheckView{Store: s.Name, File: s.path}
				var err error
				if len(args) == 2 {
					v.File = args[1]
					v.Findings, err = bolt.VerifyFile(cmd.Context(), v.File, s.keys) // no store: nobody's business
				} else {
					v.Findings, err = a.verifyStore(cmd.Context(), s)
				}
				if err != nil {
					return s.failure(err)
				}
				v.OK = v.Sound()
				if err := a.print(v, v.text); err != nil {
					return err
				}
				return exitIfAny(len(v.Damage))
			})
		},
	}
}

type storeCheckView struct {
	Store string `json:"store"`
	File  string `json:"file"`
	OK    bool   `json:"ok"`
	*backends.Findings
}

// verifyStore asks the gateway that has the store open, or reads the file.
func (a *app) verifyStore(ctx context.Context, s *storeFile) (found *backends.Findings, err error) {
	call := a.call("store.check")
	running, err := runningGateway(ctx, s.cfg, s.config)
	if err != nil {
		return nil, err
	}
	if running != nil {
		defer func() { err = errors.Join(err, running.Close()) }()
		return running.Verify(ctx, call, s.Name)
	}
	err = s.service.WholeStore(ctx, call, access.List, s.Store, func(ctx context.Context) error {
		found, err = bolt.VerifyFile(ctx, s.path, s.keys)
		return err
	})
	return found, err
}

func (v storeCheckView) text(w io.Writer) error {
	made := v.MadeAs
	if made != v.Store {
		made += ", and not " + v.Store
	}
	rows := [][]string{
		{"file", v.File},
		{"made as", printable(made)},
		{"format", strconv.Itoa(v.Format)},
		{"key", v.Key},
		{"holds", countSecrets(v.Findings) + fmt.Sprintf(", %d records", v.Records)},
		{"bytes", fmt.Sprintf("%d, of which %d are free (%d pages)", v.Bytes, v.FreeBytes, v.FreePages)},
	}
	for _, d := range v.Damage {
		what := d.What
		if d.Name != "" {
			what = printable(d.Name) + ": " + what
		}
		rows = append(rows, []string{"damage", what})
	}
	switch {
	case v.Unlisted > 0:
		rows = append(rows, []string{"damage", fmt.Sprintf("and %d more", v.Unlisted)})
	case v.OK:
		rows = append(rows, []string{"ok", "nothing is damaged"})
	}
	return table(w, rows)
}
