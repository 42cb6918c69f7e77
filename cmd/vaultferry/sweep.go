package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) sweepCommand() *cobra.Command {
	var w writing
	cmd := &cobra.Command{
		Use:   "sweep STORE",
		Short: "Purge deleted secrets whose time is over",
		Long: `Removes for ever the deleted secrets that nobody may recover any more. The
gateway shows them to nobody and purges each with the next call on its name;
this command is for those that nobody asks for. Prints their names.`,
		Example: `  vaultferry sweep payments --dry-run
  vaultferry sweep payments`,
		Args: arguments("STORE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := w.ready(a); err != nil {
				return err
			}
			p, err := a.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.close()) }()
			return a.sweep(cmd.Context(), p, args[0], &w)
		},
	}
	w.flags(cmd)
	return cmd
}

type sweepView struct {
	Store  string   `json:"store"`
	Result string   `json:"result"` // done, would, declined or failed
	Purged []string `json:"purged"` // or what would be
	Error  string   `json:"error,omitempty"`
}

func (a *app) sweep(ctx context.Context, p *parts, store string, w *writing) error {
	v := sweepView{Store: store, Result: "done", Purged: []string{}}
	names, err := a.sweepNames(ctx, p, store, w)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errDeclined):
		v.Result = "declined"
	case err != nil:
		v.Result, v.Error = "failed", words(err)
		a.complain(fmt.Sprintf("store %s: %s", store, v.Error))
	case w.dryRun:
		v.Result = "would"
	}
	for _, n := range names {
		v.Purged = append(v.Purged, string(n))
	}
	if err := a.print(v, v.text); err != nil {
		return err
	}
	if v.Error != "" {
		return failed(1)
	}
	return nil
}

// sweepNames purges, after a question where one is wanted. What stands in the
// answer beside an error was purged.
func (a *app) sweepNames(ctx context.Context, p *parts, store string, w *writing) ([]secret.Name, error) {
	if w.confirm && !w.dryRun {
		names, err := p.service.Sweep(ctx, a.call("sweep"), store, true)
		if err != nil || len(names) == 0 {
			return nil, err
		}
		var q strings.Builder
		for _, n := range names {
			fmt.Fprintln(&q, printable(string(n)))
		}
		if err := w.ask(ctx, a, q.String()+"purge from "+store+" for ever?"); err != nil {
			return nil, err
		}
	}
	return p.service.Sweep(ctx, a.call("sweep"), store, w.dryRun)
}

func (v sweepView) text(out io.Writer) error {
	word := map[string]string{"would": "would purge "}[v.Result]
	for _, n := range v.Purged {
		if _, err := fmt.Fprintln(out, word+printable(n)); err != nil {
			return err
		}
	}
	return nil
}
