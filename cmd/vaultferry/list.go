package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list STORE",
		Short: "List the secrets of a store, without values",
		Example: `  vaultferry list payments
  vaultferry list payments --output json`,
		Args: arguments("STORE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			return a.list(cmd, s)
		},
	}
}

// listPage is how many secrets one question asks for.
const listPage = 500

func (a *app) list(cmd *cobra.Command, s *session) error {
	call := a.call("list")
	views := []secretView{}
	for q := (secret.Query{Limit: listPage}); ; {
		page, err := s.service.List(cmd.Context(), call, s.store.Name, q)
		if err != nil {
			return fmt.Errorf("store %s: %w", s.store.Name, err)
		}
		for _, found := range page.Secrets {
			v := viewSecret("", found)
			v.Versions = nil // whether a page holds them is the product's choice
			views = append(views, v)
		}
		if page.Next == "" {
			break
		}
		q.After = page.Next
	}
	return a.print(views, func(w io.Writer) error {
		rows := [][]string{{"NAME", "CURRENT", "UPDATED", "DESCRIPTION"}}
		for _, v := range views {
			rows = append(rows, []string{printable(v.Name), fmt.Sprint(v.Current), shortTime(v.Updated), printable(v.Description)})
		}
		return table(w, rows)
	})
}

// printable keeps what a store holds from steering the terminal.
func printable(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return strings.Trim(q, `"`)
	}
	return s
}
