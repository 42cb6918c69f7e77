package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) showCommand() *cobra.Command {
	var reveal bool
	var version string
	cmd := &cobra.Command{
		Use:   "show STORE NAME",
		Short: "Show a secret and its versions; a value only with --reveal",
		Example: `  vaultferry show payments db-password
  vaultferry show payments db-password --reveal --version 3`,
		Args: arguments("STORE", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			sel, err := selector(version)
			if err != nil {
				return err
			}
			if version != "" && !reveal {
				return usagef("--version picks the value to reveal: add --reveal")
			}
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			return a.show(cmd, s, gateway.Ref{Store: args[0], Name: secret.Name(args[1])}, reveal, sel)
		},
	}
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show the value, of the current version unless --version")
	cmd.Flags().StringVar(&version, "version", "", "a version's number (3 or v3) or its id of 32 hex digits")
	return cmd
}

// selector reads a version as either dialect writes it.
func selector(s string) (secret.Selector, error) {
	if s == "" {
		return secret.Current, nil
	}
	if n, err := strconv.ParseInt(strings.TrimPrefix(s, "v"), 10, 64); err == nil && n > 0 && len(s) < 2*len(secret.UID{}) {
		return secret.ByOrdinal(secret.Ordinal(n)), nil
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(secret.UID{}) {
		return secret.Selector{}, usagef("%q is neither a version's number nor its id", s)
	}
	return secret.ByUID(secret.UID(b)), nil
}

func (a *app) show(cmd *cobra.Command, s *session, ref gateway.Ref, reveal bool, sel secret.Selector) error {
	call := a.call("show")
	found, err := s.service.Describe(cmd.Context(), call, ref)
	if err != nil {
		return fmt.Errorf("%s in store %s: %w", printable(string(ref.Name)), ref.Store, adviseTrash(ref, err))
	}
	view := viewSecret(ref.Store, found)
	view.Spelled = spellings(s.sides(), found.Name)
	var value secret.Value
	var shown secret.Ordinal
	if reveal {
		got, err := s.service.Get(cmd.Context(), call, ref, sel)
		if err != nil {
			return fmt.Errorf("%s in store %s: %w", printable(string(ref.Name)), ref.Store, err)
		}
		v := got.Newest()
		value, shown = v.Value, v.Ordinal
		for i := range view.Versions {
			if view.Versions[i].Version == int64(shown) {
				view.Versions[i].reveal(value)
			}
		}
	}
	err = a.print(view, func(w io.Writer) error { return showText(w, view) })
	if err != nil || a.json() || value.IsNone() {
		return err
	}
	// The value is what was asked for, byte by byte.
	_, err = fmt.Fprintf(a.out, "\nvalue of version %d (%s, %d bytes):\n%s\n", shown, value.Form(), value.Len(), value.Reveal())
	return err
}

func showText(w io.Writer, s secretView) error {
	rows := [][]string{{"name:", printable(s.Name)}}
	for _, other := range s.Spelled {
		rows = append(rows, []string{"", other.sentence()})
	}
	if s.Description != "" {
		rows = append(rows, []string{"description:", printable(s.Description)})
	}
	for _, k := range slices.Sorted(maps.Keys(s.Tags)) {
		rows = append(rows, []string{"tag:", printable(k) + "=" + printable(s.Tags[k])})
	}
	rows = append(rows, []string{"created:", shortTime(s.Created)}, []string{"updated:", shortTime(s.Updated)})
	if err := table(w, rows); err != nil {
		return err
	}
	return table(w, append([][]string{{""}}, versionRows(s)...))
}
