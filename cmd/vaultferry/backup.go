package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/textfile"
	"github.com/vaultferry/vaultferry/secret"
)

type backupFlags struct {
	writeFlags
	outputFile  string
	force       bool
	onLoss      string
	readDeleted bool
	names       namesFile
	errors      errorFile
}

func (a *app) backupCommand() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "backup STORE [NAME...]",
		Short: "Write secrets, with all their versions, to sealed files",
		Long: `Writes one file for each secret and prints its name. A file has mode 0600 and is
written whole or not at all. It is called STORE-NAME-UNIXTIME.FRACTION and lies
in the current folder, unless --output-file says otherwise. A slash in a name
becomes %2F. If the name is too long for a file, a digest replaces its end. Without a NAME, or with
"-", the command reads names from standard input, one on each line; --names-file
reads them from a file, and --error-file writes one of what failed.

If the store cannot give all of a secret, the command fails. --on-loss accept
makes the backup without the missing part. --read-deleted undeletes each
version that native tools deleted in Vault KV v2, reads it, and deletes it
again; meanwhile native tools can read it, and it gets a new time of deletion.
--dry-run says what would be missing, and undeletes nothing. The command says on
standard error what a backup lacks. A restore of it says so in the same words.`,
		Example: `  vaultferry backup payments db-password
  vaultferry backup payments db-password --output-file db.backup
  vaultferry backup payments db-password --read-deleted
  vaultferry list payments --output json | jq -r '.[].name' | vaultferry backup payments -`,
		Args: atLeast("STORE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			names, err := a.backupNames(cmd.Context(), args[1:], &f)
			if err != nil {
				return err
			}
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			return a.backup(cmd.Context(), s, names, &f)
		},
	}
	cmd.Flags().StringVar(&f.outputFile, "output-file", "", "write here; for one secret alone")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace an existing file")
	cmd.Flags().StringVar(&f.onLoss, "on-loss", "", "where the store cannot give everything: fail or accept (default: the store's on_loss, else fail)")
	cmd.Flags().BoolVar(&f.readDeleted, "read-deleted", false, "undelete versions for the moment in which they are read")
	f.names.flags(cmd, "back up")
	f.errors.flags(cmd)
	f.flags(cmd)
	return cmd
}

func (a *app) backupNames(ctx context.Context, names []string, f *backupFlags) ([]string, error) {
	if f.onLoss != "" && f.onLoss != string(gateway.LossFail) && f.onLoss != string(gateway.LossAccept) {
		return nil, usagef("--on-loss is fail or accept, not %q", f.onLoss)
	}
	if err := f.requireTerminal(a); err != nil {
		return nil, err
	}
	named, err := f.names.read(names)
	if err != nil {
		return nil, err
	}
	for _, n := range named {
		names = append(names, string(n))
	}
	switch {
	case len(names) == 0 || (len(names) == 1 && names[0] == "-"):
		if f.confirm {
			return nil, usagef("--confirm cannot ask where the names come from")
		}
		if len(names) == 0 && isTerminal(a.in) {
			return nil, usagef("name the secrets, or give their names on standard input")
		}
		if names, err = interruptible(ctx, func() ([]string, error) { return readLines(a.in) }); err != nil {
			return nil, err
		}
	}
	switch {
	case len(names) == 0:
		return nil, usagef("no name was given")
	case f.outputFile == "-":
		return nil, usagef("--output-file - is no name of a file, and a backup goes to nothing else")
	case f.outputFile != "" && len(names) > 1:
		return nil, usagef("--output-file is for one secret, not %d", len(names))
	}
	return names, nil
}

// readLines takes what a shell or an editor makes of lines.
func readLines(r io.Reader) ([]string, error) {
	var lines []string
	raw, err := readBounded(r)
	if err != nil {
		return nil, err
	}
	text, err := textfile.Decode(raw)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// backupReport is one line of the answer to programs.
type backupReport struct {
	Store  string `json:"store"`
	Name   string `json:"name"`
	Result string `json:"result"` // done, would, declined, failed, interrupted or not tried
	File   string `json:"file,omitempty"`
	Size   int    `json:"size,omitempty"`
	Error  string `json:"error,omitempty"`
	// Losses are what the backup lacks, or would.
	Losses []lossView `json:"losses,omitempty"`

	lost []secret.Loss
}

func (a *app) backup(ctx context.Context, s *session, names []string, f *backupFlags) error {
	reports := []backupReport{}
	var failed failures
	var traces traceCount
	for _, name := range names {
		r := backupReport{Store: s.store.Name, Name: name, Result: "done"}
		err := errNotTried
		if !failed.dead {
			err = a.backupOne(ctx, s, &r, f)
		}
		switch {
		case errors.Is(err, errNotTried):
			r.Result = notTried
			failed.untried++
			f.errors.add(secret.Name(name))
		case errors.Is(err, errDeclined):
			r.Result, r.File = "declined", ""
		case err != nil:
			r.Result, r.Error, r.File = failedOrInterrupted(ctx), message(err), ""
			failed.add(err)
			f.errors.add(secret.Name(name))
			a.complain(fmt.Sprintf("%s: %s", name, r.Error))
		default:
			traces.add(r.lost)
			if err := a.backupLine(r); err != nil {
				return err
			}
		}
		reports = append(reports, r)
	}
	failed.complain(a)
	if err := f.errors.write(); err != nil {
		return err
	}
	if f.dryRun || a.json() {
		if err := a.print(reports, traces.text); err != nil {
			return err
		}
	}
	if !f.dryRun {
		for _, line := range traces.lines() {
			a.complain(line)
		}
	}
	if (failed.n > 0 || failed.untried > 0) && ctx.Err() != nil {
		return ctx.Err()
	}
	return failed.exit()
}

// backupLine says what became of one secret. What a backup lacks is said beside
// the names of files, which other programs read.
func (a *app) backupLine(r backupReport) error {
	if r.Result != "would" {
		for _, l := range r.lost {
			if l.Grade > secret.Trace {
				a.complain(fmt.Sprintf("%s: backed up, but %s", r.Name, l.Sentence()))
			}
		}
	}
	switch {
	case a.json():
		return nil
	case r.Result != "would":
		_, err := fmt.Fprintln(visibleWriter{a.out}, r.File)
		return err
	}
	out := visibleWriter{a.out}
	if _, err := fmt.Fprintln(out, "would write "+r.File); err != nil {
		return err
	}
	return lossLines(out, r.lost, "would lose")
}

func (a *app) backupOne(ctx context.Context, s *session, r *backupReport, f *backupFlags) error {
	if ctx.Err() != nil {
		return errNotTried
	}
	ref, call := gateway.Ref{Store: r.Store, Name: secret.Name(r.Name)}, a.call("backup")
	r.File = f.outputFile
	if r.File == "" {
		r.File = backupName(r.Store, r.Name, a.now())
	}
	o := gateway.BackupOptions{OnLoss: gateway.OnLoss(f.onLoss), ReadDeleted: f.readDeleted}
	if f.dryRun {
		lost, err := s.service.RehearseBackup(ctx, call, ref, o)
		r.Result, r.lost, r.Losses = "would", lost, viewLosses(lost)
		return backupAdvice(ref, err)
	}
	if err := f.approve(ctx, a, fmt.Sprintf("back up %s to %s?", r.Name, r.File)); err != nil {
		return err
	}
	blob, lost, err := s.service.BackupWith(ctx, call, ref, o)
	if err != nil {
		return backupAdvice(ref, err)
	}
	r.Size, r.lost, r.Losses = len(blob), lost, viewLosses(lost)
	err = writeFile(r.File, blob, f.force)
	if errors.Is(err, os.ErrExist) {
		err = existsAlready(r.File)
	}
	return err
}

// backupAdvice says what may be done where nothing was written.
func backupAdvice(ref gateway.Ref, err error) error {
	if errors.Is(err, secret.Lossy) {
		return fmt.Errorf("%w; nothing was written; --on-loss accept makes the backup without it, and --read-deleted reads what native tools deleted in Vault KV v2", err)
	}
	return adviseTrash(ref, err)
}
