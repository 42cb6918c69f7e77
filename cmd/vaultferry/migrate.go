package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move many secrets from one store to another, by a plan",
		Long: `"plan" looks at both stores and writes a file that says of each secret what will
be done, and what will be lost. "rehearse" tries that in an imitation of the
target's product. "run" does what the plan says and nothing else. It can be
interrupted at any moment; the same command again goes on. "verify" compares both
stores afterwards, and "report" signs what was done.

A move never deletes, purges or overwrites anything.`,
		Example: `  vaultferry migrate plan --from vault --to cloud --output-file move.plan
  vaultferry migrate show move.plan --class loses
  vaultferry migrate rehearse move.plan
  vaultferry migrate run move.plan
  vaultferry migrate verify move.plan
  vaultferry migrate report move.plan --output-file move.report --html move.html`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.migratePlanCommand(), a.migrateShowCommand(), a.migrateRehearseCommand(), a.migrateRunCommand(), a.migrateVerifyCommand(), a.migrateReportCommand())
	for _, c := range cmd.Commands() {
		a.timeoutFlag(c)
	}
	return cmd
}

// paceFlags bound what a move asks of the two stores.
type paceFlags struct {
	rate        string
	concurrency int
}

func (f *paceFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.rate, "rate", "", "requests a second to each store at most, as 100/s (default: half of what the product publishes, else any number)")
	cmd.Flags().IntVar(&f.concurrency, "concurrency", inventoryReaders, "secrets on their way at once, at most")
}

func (f *paceFlags) check() error {
	if f.concurrency < 1 {
		return usagef("--concurrency is 1 or more, not %d", f.concurrency)
	}
	if f.rate == "" {
		return nil
	}
	if n, err := strconv.ParseFloat(strings.TrimSuffix(f.rate, "/s"), 64); err != nil || !(n > 0) {
		return usagef("--rate is a number of requests a second such as 100/s, not %q", f.rate)
	}
	return nil
}

// pace is of one store.
func (f *paceFlags) pace(s *config.Store) *migrate.Pace {
	if f.rate != "" {
		n, _ := strconv.ParseFloat(strings.TrimSuffix(f.rate, "/s"), 64) // checked
		return migrate.NewPace(n, f.concurrency)
	}
	p, _ := limits.Of(s.Backend) // one of others publishes nothing
	return migrate.NewPace(float64(p.Requests.Most)/2, f.concurrency)
}

// move is a command at work on both stores.
type move struct {
	from, to *session
	source   migrate.Side
	target   migrate.Side
}

func (m *move) close() error { return errors.Join(m.from.close(), m.to.close()) }

// openMove opens both stores. Its calls have one id in the audit.
func (a *app) openMove(ctx context.Context, from, to, op, run string, f *paceFlags) (*move, error) {
	if from == to {
		return nil, usagef("a move goes from one store to another, and %s is both", from)
	}
	a.atOnce = f.concurrency
	in, err := a.openSession(ctx, from)
	if err != nil {
		return nil, err
	}
	out, err := a.openSession(ctx, to)
	if err != nil {
		return nil, errors.Join(err, in.close())
	}
	call := a.moveCall(op, run)
	return &move{in, out, *in.side(call, f), *out.side(call, f)}, nil
}

// moveCall is how the audit knows a call of a move.
func (a *app) moveCall(op, run string) gateway.Call {
	call := a.call("migrate." + op)
	call.RequestID, call.NativeBlobs, call.TellTrash = run, false, false
	return call
}

// side is the store as package migrate reads it.
func (s *session) side(call gateway.Call, f *paceFlags) *migrate.Side {
	side := &migrate.Side{Store: s.store.Name, Service: s.service, Call: call, Pace: f.pace(s.store), FoldsCase: s.foldsCase()}
	if s.own != nil { // what only a gateway holds takes names as they are
		side.Spell = func(n secret.Name) (string, error) { return s.own.Spell(s.store.Name, n) }
	}
	side.Requests = migrate.Requests(s.product().Moves)
	return side
}
