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
		Short: "Look for damage in a bolt or postgres store, or in a copy of a bolt store",
		Long: `Reads all of a bolt store, or of a FILE that "store backup" wrote: every page and
every record, and whether the records agree. Of a postgres store it reads every
row, in one state. It lists the damage with the names of the secrets, and never a
value. The exit code is 1 where there is damage. Gateways serve on meanwhile; one
that holds a bolt file does the check itself.

The check cannot detect an older file in the place of a newer one, nor an older
record that all others still fit. It changes nothing.`,
		Example: `  vaultferry store check payments
  vaultferry store check payments payments-1700000000.000000.db
  vaultferry store check payments --output json | jq -r '.damage[].name'`,
		Args: arguments("STORE", "[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v := &storeCheckView{Store: args[0]}
			var err error
			if len(args) == 2 {
				v.File = args[1]
				err = a.withStore(cmd.Context(), v.Store, func(s *storeFile) error {
					v.Findings, err = bolt.VerifyFile(cmd.Context(), v.File, s.keys) // no store: nobody's business
					return s.failure(err)
				})
			} else {
				err = a.verifyStore(cmd.Context(), v)
			}
			if err != nil {
				return err
			}
			v.OK = v.Sound()
			if err := a.print(v, v.text); err != nil {
				return err
			}
			return exitIfAny(len(v.Damage))
		},
	}
}

type storeCheckView struct {
	Store string `json:"store"`
	File  string `json:"file,omitempty"`
	OK    bool   `json:"ok"`
	*backends.Findings
}

// verifyStore asks the gateway that has the store open, which needs no key here,
// or reads the file.
func (a *app) verifyStore(ctx context.Context, v *storeCheckView) (err error) {
	switch in, err := a.inDatabase(v.Store); {
	case err != nil:
		return err
	case in:
		return a.verifyDatabase(ctx, v)
	}
	cfg, s, err := a.boltStore(v.Store)
	if err != nil {
		return err
	}
	if v.File, err = storePath(s); err != nil {
		return err
	}
	call := a.call("store.check")
	running, err := runningGateway(ctx, cfg, s)
	if err != nil {
		return err
	}
	if running != nil {
		defer func() { err = errors.Join(err, running.Close()) }()
		if v.Findings, err = running.Verify(ctx, call, s.Name); err != nil {
			return openError(s, err)
		}
		return nil
	}
	return a.withStore(ctx, v.Store, func(s *storeFile) error {
		return s.failure(s.service.WholeStore(ctx, call, access.List, s.Store, func(ctx context.Context) (err error) {
			v.Findings, err = bolt.VerifyFile(ctx, s.path, s.keys)
			return err
		}))
	})
}

// inDatabase reports whether the store lies in a database.
func (a *app) inDatabase(store string) (bool, error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return false, err
	}
	s, err := a.configured(cfg, store)
	return err == nil && s.Backend == databaseKind, err
}

func (a *app) verifyDatabase(ctx context.Context, v *storeCheckView) (err error) {
	s, err := a.openSession(ctx, v.Store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	v.Findings, err = s.own.Verify(ctx, a.call("store.check"), v.Store)
	if err != nil {
		return openError(s.store, err)
	}
	return nil
}

func (v *storeCheckView) text(w io.Writer) error {
	made := v.MadeAs
	if made != v.Store {
		made += ", and not " + v.Store
	}
	rows := [][]string{{"made as", printable(made)}}
	bytes := strconv.FormatInt(v.Bytes, 10)
	if v.File != "" {
		rows = [][]string{{"file", v.File}, rows[0]}
		bytes += fmt.Sprintf(", of which %d are free (%d pages)", v.FreeBytes, v.FreePages)
	}
	rows = append(rows, [][]string{
		{"format", strconv.Itoa(v.Format)},
		{"key", v.Key},
		{"holds", countSecrets(v.Findings) + fmt.Sprintf(", %d records", v.Records)},
		{"bytes", bytes},
	}...)
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
