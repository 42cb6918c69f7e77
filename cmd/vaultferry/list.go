package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

type listFlags struct{ deleted, leftOut bool }

func (a *app) listCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list STORE [PATTERN]",
		Short: "List the secrets of a store, without values",
		Long: `Lists the secrets that you may list, or those whose names match a PATTERN: * is
any run of characters, a slash too, and ? is any one. Quote it, or the shell
takes it for files. --deleted lists what is in the trash, and until when it can
be recovered.

What cannot be listed hides nothing else: folders that the product refuses,
secrets that cannot be read, and names that the gateway cannot hold are named on
standard error, and the exit code is 1. Secrets whose import is not finished, or
that are without a version, are noted there. --left-out lists all of these
instead of the secrets, and says of each why it is left out.`,
		Example: `  vaultferry list payments
  vaultferry list payments 'team-a/*'
  vaultferry list payments --deleted
  vaultferry list payments --left-out
  vaultferry list payments --output json`,
		SuggestFor: []string{"ls"},
		Args:       arguments("STORE", "[PATTERN]"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			pattern := "*"
			if len(args) == 2 {
				pattern = args[1]
			}
			return a.list(cmd.Context(), s, pattern, f)
		},
	}
	cmd.Flags().BoolVar(&f.deleted, "deleted", false, "list what is deleted and can be recovered")
	cmd.Flags().BoolVar(&f.leftOut, "left-out", false, "list what lists do not show, such as unfinished imports, and why")
	return cmd
}

// listPage is how many secrets one question asks for.
const listPage = 500

func (a *app) list(ctx context.Context, s *session, pattern string, f listFlags) error {
	list := s.service.List
	if f.deleted {
		list = s.service.ListTrash
	}
	matches := func(name string) bool { return access.Match(pattern, name) }
	folds := s.foldsCase()
	if folds {
		pattern = strings.ToLower(pattern)
		matches = func(name string) bool { return access.Match(pattern, strings.ToLower(name)) }
	}
	call := a.call("list")
	views := []secretView{}
	var leftOut []secret.LeftOut
	sides := s.sides()
	q := secret.Query{Limit: listPage}
	if !folds {
		q.Under = shorter(beginning(pattern))
	}
	for {
		page, err := list(ctx, call, s.store.Name, q)
		if err != nil {
			return fmt.Errorf("store %s: %w", s.store.Name, err)
		}
		for _, found := range page.Secrets {
			if !matches(string(found.Name)) {
				continue
			}
			v := viewSecret("", found)
			v.Spelled = spellings(sides, found.Name)
			v.Versions = nil // whether a page holds them is the product's choice
			views = append(views, v)
		}
		leftOut = append(leftOut, leftOutMatching(page.LeftOut, pattern, matches)...)
		if page.Next == "" || !folds && behind(pattern, page.Next) {
			break
		}
		q.After = page.Next
	}
	if f.leftOut {
		return a.print(viewLeftOut(leftOut), func(w io.Writer) error { return leftOutTable(w, leftOut) })
	}
	if err := a.print(views, func(w io.Writer) error { return table(w, listRows(views, f.deleted)) }); err != nil {
		return err
	}
	return a.sayLeftOut(s.store.Name, leftOut)
}

// beginning is what every name that matches begins with.
func beginning(pattern string) string {
	if i := strings.IndexAny(pattern, "*?"); i >= 0 {
		return pattern[:i]
	}
	return pattern
}

// shorter is s without its last character: what a query is under is shorter than the
// names that it finds, and s itself may be one of them.
func shorter(s string) secret.Name {
	_, n := utf8.DecodeLastRuneInString(s)
	return secret.Name(s[:len(s)-n])
}

// behind reports whether no name after this one can match.
func behind(pattern string, name secret.Name) bool {
	begins := beginning(pattern)
	return string(name) > begins && !strings.HasPrefix(string(name), begins)
}

func listRows(views []secretView, deleted bool) [][]string {
	rows := attributeRows(views, deleted)
	if slices.ContainsFunc(views, func(v secretView) bool { return v.Spelled != nil }) {
		rows[0] = append(rows[0], "THE NAME")
		for i, v := range views {
			rows[i+1] = append(rows[i+1], sentences(v.Spelled))
		}
	}
	return rows
}

func attributeRows(views []secretView, deleted bool) [][]string {
	if deleted {
		rows := [][]string{{"NAME", "CURRENT", "DELETED", "RECOVERABLE UNTIL"}}
		for _, v := range views {
			rows = append(rows, []string{printable(v.Name), fmt.Sprint(v.Current), shortTime(v.Deleted), shortTime(v.Recoverable)})
		}
		return rows
	}
	rows := [][]string{{"NAME", "CURRENT", "UPDATED", "DESCRIPTION"}}
	for _, v := range views {
		rows = append(rows, []string{printable(v.Name), fmt.Sprint(v.Current), shortTime(v.Updated), printable(v.Description)})
	}
	return rows
}
