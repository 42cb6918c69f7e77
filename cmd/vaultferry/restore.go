package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup/saved"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
)

type restoreFlags struct {
	writeFlags
	as, onConflict, onLoss string
}

func (a *app) restoreCommand() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore STORE FILE...",
		Short: "Restore secrets from sealed files",
		Long: `Takes a backup in any form that people keep: the file that "backup" wrote, its
base64 or base64url form, or JSON that holds either anywhere: an answer that an
SDK, curl or PowerShell saved, or the output of Terraform. A file may hold more
than one; each is restored. "-" reads standard input. A restore never changes or
removes what exists. --on-conflict append adds the versions that the target
lacks.

The command says what the store cannot hold before it writes anything. --on-loss
decides what happens then:

  fail         nothing is written
  trim-oldest  the oldest versions are left out, where the store holds too few,
               but for the current, the previous and those with a stage; other
               losses are refused
  archive      the whole backup is first kept in archive.dir, or beside FILE
               where the configuration has none; then every loss is accepted
  accept       every loss is accepted

A file that archive keeps can be restored like any other.`,
		Example: `  vaultferry restore cloud payments-db-password-1700000000.000000
  vaultferry restore cloud answer.json --as db-password-old
  vaultferry restore cloud *.backup --dry-run
  vaultferry restore east db.backup --on-loss archive`,
		Args: atLeast("STORE", "FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := f.check(a, args[1:]); err != nil {
				return err
			}
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			if err := s.requireLasting(f.dryRun); err != nil {
				return err
			}
			return a.restore(cmd.Context(), s, args[1:], f)
		},
	}
	cmd.Flags().StringVar(&f.as, "as", "", "restore under this name; for one file alone")
	cmd.Flags().StringVar(&f.onConflict, "on-conflict", "fail", "where the name is taken: fail, skip or append")
	cmd.Flags().StringVar(&f.onLoss, "on-loss", "", "where the store cannot hold everything: fail, accept, trim-oldest or archive (default: the store's on_loss, else fail)")
	f.flags(cmd)
	return cmd
}

func (f *restoreFlags) check(a *app, files []string) error {
	switch {
	case f.as != "" && len(files) > 1:
		return usagef("--as is for one file, not %d", len(files))
	case !slices.Contains([]string{"fail", "skip", "append"}, f.onConflict):
		return usagef("--on-conflict is fail, skip or append, not %q", f.onConflict)
	case f.onLoss != "" && !slices.Contains(gateway.OnLosses(), gateway.OnLoss(f.onLoss)):
		return usagef("--on-loss is fail, accept, trim-oldest or archive, not %q", f.onLoss)
	case f.confirm && slices.Contains(files, "-"):
		return usagef("--confirm cannot ask where the backup comes from")
	}
	return f.requireTerminal(a)
}

// restoring is a restore of many files on its way.
type restoring struct {
	a       *app
	reports []restoreReport
	traces  traceCount
	failed  failures
}

func (a *app) restore(ctx context.Context, s *session, files []string, f restoreFlags) error {
	run := restoring{a: a, reports: []restoreReport{}}
	for _, file := range files {
		r := restoreReport{File: file, Store: s.store.Name}
		var found []saved.Backup
		err := errNotTried
		if !run.failed.dead {
			found, err = a.backupsIn(ctx, file)
		}
		if f.as != "" && len(found) > 1 {
			found, err = nil, fmt.Errorf("it holds %d backups, and --as is for one", len(found))
		}
		if err != nil {
			if err := run.add(ctx, r, err); err != nil {
				return err
			}
		}
		for _, b := range found {
			r := r
			r.Path = b.Path
			err := errNotTried
			if !run.failed.dead {
				err = a.restoreOne(ctx, s, &r, b.Blob, f)
			}
			if err := run.add(ctx, r, err); err != nil {
				return err
			}
		}
	}
	run.failed.complain(a)
	if err := a.print(run.reports, run.traces.text); err != nil {
		return err
	}
	if (run.failed.n > 0 || run.failed.untried > 0) && ctx.Err() != nil {
		return ctx.Err()
	}
	return run.failed.exit()
}

// add reports what became of one backup.
func (run *restoring) add(ctx context.Context, r restoreReport, err error) error {
	switch {
	case err == nil:
		run.traces.add(r.lost)
		if !run.a.json() {
			if err := restoreLines(visibleWriter{run.a.out}, r); err != nil {
				return err
			}
		}
	case errors.Is(err, errNotTried):
		r.Result = notTried
		run.failed.untried++
	case errors.Is(err, errDeclined):
		r.Result = "declined"
	default:
		r.Result, r.Error = failedOrInterrupted(ctx), message(err)
		run.failed.add(err)
		run.a.complain(fmt.Sprintf("%s: %s", r.place(), r.Error))
		if r.Unfinished != "" {
			run.a.complain(fmt.Sprintf("%s in %s is unfinished: %s", printable(r.Name), r.Store, r.Unfinished))
		}
	}
	run.reports = append(run.reports, r)
	return nil
}

// backupsIn finds the backups in a file, whatever a shell made of it.
func (a *app) backupsIn(ctx context.Context, file string) ([]saved.Backup, error) {
	if ctx.Err() != nil {
		return nil, errNotTried
	}
	raw, err := a.readBlob(ctx, file)
	if err != nil {
		return nil, err
	}
	return saved.Find(raw)
}

func (a *app) restoreOne(ctx context.Context, s *session, r *restoreReport, blob []byte, f restoreFlags) error {
	if ctx.Err() != nil {
		return errNotTried
	}
	o := gateway.RestoreOptions{
		As: secret.Name(f.as), OnConflict: gateway.OnConflict(f.onConflict), OnLoss: gateway.OnLoss(f.onLoss), DryRun: f.dryRun,
		Archive: archive.Dir(s.cfg.Archive.Dir),
	}
	if o.Archive == "" {
		o.Archive = archive.Dir(filepath.Dir(r.File))
	}
	call := a.call("restore")
	if f.confirm && !f.dryRun {
		if err := a.confirmRestore(ctx, s, r.Store, blob, o, f); err != nil {
			return err
		}
	}
	out, err := s.service.Restore(ctx, call, r.Store, blob, o)
	if err != nil {
		if r.Unfinished = a.howToEnd(ctx, s, err); r.Unfinished != "" {
			r.Name = string(nameOf(err))
		}
		return restoreAdvice(r.Store, err)
	}
	r.fill(out, f.dryRun)
	r.Spelled = spellings(s.sides(), out.Secret.Name)
	return nil
}

// nameOf is the secret that an error is about.
func nameOf(err error) secret.Name {
	e, _ := errors.AsType[*secret.Error](err)
	return e.Name
}

// restoreAdvice says what may be done where nothing was written.
func restoreAdvice(store string, err error) error {
	var e *secret.Error
	switch {
	case !errors.As(err, &e):
	case e.Kind == secret.AlreadyExists:
		return fmt.Errorf("%s already has %s, and nothing was written; see --as and --on-conflict", store, printable(string(e.Name)))
	case e.Kind == secret.Lossy:
		return fmt.Errorf("%w; nothing was written; --on-loss accept restores all the same, and --on-loss archive keeps the whole backup in a file first", err)
	}
	return err
}

// confirmRestore asks with the forecast of a dry run. It does not ask from
// within the restore itself, whose deadline is a product's and not a person's.
func (a *app) confirmRestore(ctx context.Context, s *session, store string, blob []byte, o gateway.RestoreOptions, f restoreFlags) error {
	o.DryRun = true
	would, err := s.service.Restore(ctx, a.call("restore"), store, blob, o)
	if err != nil {
		return restoreAdvice(store, err)
	}
	var q strings.Builder
	for _, l := range would.Losses {
		fmt.Fprintln(&q, l.Sentence())
	}
	if would.Archive != "" {
		fmt.Fprintf(&q, "the whole backup is kept in %s\n", printable(would.Archive))
	}
	fmt.Fprintf(&q, "restore %s with %s into %s?", printable(string(would.Secret.Name)), versions(len(would.Secret.Versions)), store)
	return f.approve(ctx, a, q.String())
}
