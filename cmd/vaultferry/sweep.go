package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway"
)

func (a *app) sweepCommand() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "sweep STORE",
		Short: "Purge deleted secrets that can no longer be recovered",
		Long: `Removes deleted secrets for ever once their retention is over. The gateway hides
such a secret, and purges it with the next call on its name. This command purges
those that nobody asks for, and prints their names, or nothing if there are none.`,
		Example: `  vaultferry sweep payments --dry-run
  vaultferry sweep payments`,
		Args: arguments("STORE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			return a.sweep(cmd.Context(), s, &w)
		},
	}
	w.flags(cmd)
	return cmd
}

type sweepView struct {
	Store  string   `json:"store"`
	Result string   `json:"result"` // done, would, declined, failed or interrupted
	Purged []string `json:"purged"` // or what would be
	Error  string   `json:"error,omitempty"`
	// LeftOut is where something deleted may be that could not be listed.
	LeftOut []leftOutView `json:"left_out,omitempty"`
}

func (a *app) sweep(ctx context.Context, s *session, w *writeFlags) error {
	v := sweepView{Store: s.store.Name, Result: "done", Purged: []string{}}
	swept, err := a.sweepNames(ctx, s, w)
	switch {
	case errors.Is(err, errDeclined):
		v.Result = "declined"
	case err != nil:
		v.Result, v.Error = failedOrInterrupted(ctx), message(err)
		a.complain(fmt.Sprintf("store %s: %s", v.Store, v.Error))
	case w.dryRun:
		v.Result = "would"
	}
	for _, n := range swept.Names {
		v.Purged = append(v.Purged, string(n))
	}
	if len(swept.LeftOut) > 0 {
		v.LeftOut = viewLeftOut(swept.LeftOut)
	}
	if err := a.print(v, v.text); err != nil {
		return err
	}
	notWhole := a.sayLeftOut(v.Store, swept.LeftOut)
	switch {
	case v.Result == "interrupted":
		return ctx.Err()
	case v.Error != "":
		return exitAfter(err)
	}
	return notWhole
}

// sweepNames purges, after a question where one is wanted. What stands in the
// answer beside an error was purged.
func (a *app) sweepNames(ctx context.Context, s *session, w *writeFlags) (gateway.Swept, error) {
	if w.confirm && !w.dryRun {
		would, err := s.service.Sweep(ctx, a.call("sweep"), s.store.Name, true)
		if err != nil || len(would.Names) == 0 {
			return would, err
		}
		var q strings.Builder
		for _, n := range would.Names {
			fmt.Fprintln(&q, printable(string(n)))
		}
		if err := w.approve(ctx, a, q.String()+"purge from "+s.store.Name+" for ever?"); err != nil {
			return gateway.Swept{LeftOut: would.LeftOut}, err
		}
	}
	return s.service.Sweep(ctx, a.call("sweep"), s.store.Name, w.dryRun)
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
