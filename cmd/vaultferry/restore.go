package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
)

type restoreFlags struct {
	writing
	as, onConflict, onLoss string
}

func (a *app) restoreCommand() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore STORE FILE...",
		Short: "Make secrets from sealed files",
		Long: `Takes a backup in any form that people keep: the file that "backup" wrote, its
base64url form, or the JSON answer of either wire as an SDK or curl saved it.
"-" reads standard input. Nothing that exists is ever changed or removed;
--on-conflict append adds the versions that the target lacks.

What the store cannot hold is said before anything is written. --on-loss says
what then: fail writes nothing; trim-oldest leaves out the oldest versions that
hold neither a role nor a label, where the store holds too few, and takes no
other loss; archive first keeps the whole document sealed in archive.dir, or
beside FILE where the configuration has none, and then takes every loss; accept
takes every loss. The file that archive keeps is restored like any other.`,
		Example: `  vaultferry restore cloud payments-db-password-1700000000.000000
  vaultferry restore cloud answer.json --as db-password-old
  vaultferry restore cloud *.backup --dry-run
  vaultferry restore east db.backup --on-loss archive`,
		Args: atLeast("STORE", "FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := f.check(a, args[1:]); err != nil {
				return err
			}
			p, err := a.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.close()) }()
			if s, _ := p.cfg.Store(args[0]); s.Backend == memoryKind && !f.dryRun {
				return usagef("%s is in memory and ends with this command: restore into it over its gateway's API, or use --dry-run", s.Name)
			}
			return a.restore(cmd.Context(), p, args[0], args[1:], f)
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
	return f.ready(a)
}

// restoreReport is one file's part of the answer to programs.
type restoreReport struct {
	File     string           `json:"file"`
	Store    string           `json:"store"`
	Result   string           `json:"result"` // done, appended, skipped, would, declined or failed
	Name     string           `json:"name,omitempty"`
	Versions int              `json:"versions"`
	Added    int              `json:"added,omitempty"`  // by append
	Mapped   map[string]int64 `json:"mapped,omitempty"` // versions that got another number
	Origin   *originView      `json:"origin,omitempty"`
	Losses   []lossView       `json:"losses,omitempty"`
	Archive  string           `json:"archive,omitempty"` // the file that keeps the whole document
	Error    string           `json:"error,omitempty"`

	lossLines []string
	appended  bool
}

type originView struct {
	Gateway string `json:"gateway"`
	Store   string `json:"store"`
	Name    string `json:"name"`
}

type lossView struct {
	Grade   string `json:"grade"`
	Version int64  `json:"version,omitempty"`
	What    string `json:"what"`
	Why     string `json:"why"`
}

func (a *app) restore(ctx context.Context, p *parts, store string, files []string, f restoreFlags) error {
	reports := []restoreReport{}
	bad := 0
	for _, file := range files {
		r := restoreReport{File: file, Store: store}
		err := a.restoreOne(ctx, p, &r, f)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errDeclined):
			r.Result = "declined"
		case err != nil:
			r.Result, r.Error = "failed", words(err)
			bad++
			a.complain(fmt.Sprintf("%s: %s", file, r.Error))
		}
		if !a.json() && err == nil {
			if err := restoreLines(a.out, r); err != nil {
				return err
			}
		}
		reports = append(reports, r)
	}
	if a.json() {
		if err := a.print(reports, nil); err != nil {
			return err
		}
	}
	return failed(bad)
}

func (a *app) restoreOne(ctx context.Context, p *parts, r *restoreReport, f restoreFlags) error {
	raw, err := a.readBlob(ctx, r.File)
	if err != nil {
		return err
	}
	blob, err := backup.Unwrap(raw)
	if err != nil {
		return err
	}
	o := gateway.RestoreOptions{
		As: secret.Name(f.as), OnConflict: gateway.OnConflict(f.onConflict), OnLoss: gateway.OnLoss(f.onLoss), DryRun: f.dryRun,
		Archive: archive.Dir(p.cfg.Archive.Dir),
	}
	if o.Archive == "" {
		o.Archive = archive.Dir(filepath.Dir(r.File))
	}
	call := a.call("restore")
	if f.confirm && !f.dryRun {
		if err := a.confirmRestore(ctx, p, r.Store, blob, o, f); err != nil {
			return err
		}
	}
	out, err := p.service.Restore(ctx, call, r.Store, blob, o)
	if err != nil {
		return advise(r.Store, err)
	}
	r.fill(out, f.dryRun)
	return nil
}

// advise says what may be done where nothing was written.
func advise(store string, err error) error {
	var e *secret.Error
	switch {
	case !errors.As(err, &e):
	case e.Kind == secret.AlreadyExists:
		return fmt.Errorf("%s has %s already, and nothing was written; see --as and --on-conflict", store, printable(string(e.Name)))
	case e.Kind == secret.Lossy:
		return fmt.Errorf("%w; nothing was written; --on-loss accept takes that, and archive keeps the whole document in a file first", err)
	}
	return err
}

// confirmRestore asks with the forecast of a dry run. It does not ask from
// within the restore itself, whose deadline is a product's and not a person's.
func (a *app) confirmRestore(ctx context.Context, p *parts, store string, blob []byte, o gateway.RestoreOptions, f restoreFlags) error {
	o.DryRun = true
	would, err := p.service.Restore(ctx, a.call("restore"), store, blob, o)
	if err != nil {
		return advise(store, err)
	}
	var q strings.Builder
	for _, l := range would.Losses {
		fmt.Fprintln(&q, l)
	}
	if would.Archive != "" {
		fmt.Fprintf(&q, "the whole document is kept in %s\n", printable(would.Archive))
	}
	fmt.Fprintf(&q, "restore %s with %s into %s?", printable(string(would.Secret.Name)), versions(len(would.Secret.Versions)), store)
	return f.ask(ctx, a, q.String())
}

func (r *restoreReport) fill(out *gateway.Outcome, dryRun bool) {
	r.Name, r.Versions, r.Added = string(out.Secret.Name), len(out.Secret.Versions), out.Added
	r.appended, r.Archive = out.Appended, out.Archive
	if out.Origin.Store != "" { // a product's own backup tells none
		r.Origin = &originView{Gateway: out.Origin.Gateway, Store: out.Origin.Store, Name: string(out.Origin.Name)}
	}
	for from, to := range out.Versions {
		if from != to {
			if r.Mapped == nil {
				r.Mapped = map[string]int64{}
			}
			r.Mapped[from.String()] = int64(to)
		}
	}
	for _, l := range out.Losses {
		r.lossLines = append(r.lossLines, l.String())
		r.Losses = append(r.Losses, lossView{Grade: l.Grade.String(), Version: int64(l.Version), What: l.What, Why: l.Why})
	}
	switch {
	case out.Skipped:
		r.Result = "skipped"
	case dryRun:
		r.Result = "would"
	case out.Appended:
		r.Result = "appended"
	default:
		r.Result = "done"
	}
}

// sentence says the result to people.
func (r *restoreReport) sentence() string {
	name, stand := printable(r.Name), versions(r.Versions)+" stand"
	if r.Versions == 1 {
		stand += "s"
	}
	switch {
	case r.Result == "skipped":
		return fmt.Sprintf("skipped %s: %s has it already, with %s", name, r.Store, versions(r.Versions))
	case r.appended && r.Added == 0:
		return fmt.Sprintf("nothing to add to %s in %s: all its versions stand there", name, r.Store)
	case r.appended && r.Result == "would":
		return fmt.Sprintf("would add %s to %s in %s: %s", versions(r.Added), name, r.Store, stand)
	case r.appended:
		return fmt.Sprintf("added %s to %s in %s: %s", versions(r.Added), name, r.Store, stand)
	case r.Result == "would":
		return fmt.Sprintf("would restore %s into %s: %s", name, r.Store, versions(r.Versions))
	}
	return fmt.Sprintf("restored %s into %s: %s", name, r.Store, versions(r.Versions))
}

func versions(n int) string {
	if n == 1 {
		return "1 version"
	}
	return fmt.Sprintf("%d versions", n)
}

func restoreLines(w io.Writer, r restoreReport) error {
	var b strings.Builder
	b.WriteString(r.sentence() + "\n")
	for _, l := range r.lossLines {
		fmt.Fprintf(&b, "  loss of grade %s\n", l)
	}
	if r.Archive != "" {
		kept := "is kept"
		if r.Result == "would" {
			kept = "would be kept"
		}
		fmt.Fprintf(&b, "  the whole document %s in %s\n", kept, printable(r.Archive))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
