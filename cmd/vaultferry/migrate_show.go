package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

type showFlags struct {
	planUse
	class   string
	offline bool
}

func (a *app) migrateShowCommand() *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use:   "show PLAN",
		Short: "Show a plan, and what has changed since",
		Long: `Shows what the plan says of each secret, and what it would lose. It looks at
both stores and says which secrets are not what the plan saw any more: a run
would skip these. --offline shows the plan alone.`,
		Example: `  vaultferry migrate show move.plan
  vaultferry migrate show move.plan --class loses
  vaultferry migrate show move.plan --offline --output json`,
		Args: arguments("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.migrateShow(cmd.Context(), args[0], &f) },
	}
	cmd.Flags().StringVar(&f.class, "class", "", "secrets of this class alone")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "look at no store")
	f.flags(cmd)
	return cmd
}

// planView is the answer to programs.
type planView struct {
	File    string           `json:"file"`
	Digest  string           `json:"sha256"`
	Header  migrate.Header   `json:"plan"`
	End     migrate.End      `json:"totals"`
	Entries []planEntryView  `json:"entries"`
	Changed []planChangeView `json:"changed"`
}

type planEntryView struct {
	migrate.Entry
	// Source and Target of the plan are digests, which nobody can read.
	Source *string `json:"source,omitempty"`
	Target *string `json:"target,omitempty"`
}

type planChangeView struct {
	Name string `json:"name"`
	What string `json:"what"`
}

func (a *app) migrateShow(ctx context.Context, path string, f *showFlags) error {
	if f.class != "" && !slices.Contains(migrate.Classes(), migrate.Class(f.class)) {
		return usagef("--class: there is no class %q", f.class)
	}
	return a.withPlan(ctx, path, &f.planUse, func(p *planFile) error { return a.showPlan(ctx, p, f) })
}

func (a *app) showPlan(ctx context.Context, p *planFile, f *showFlags) error {
	v := &planView{File: p.path, Digest: p.digest, Header: p.Header, End: p.End, Entries: []planEntryView{}, Changed: []planChangeView{}}
	v.Header.RunKey = ""
	wanted := func(do func(*migrate.Entry) error) error {
		return p.entries(func(e *migrate.Entry) error {
			if f.class != "" && e.Class != migrate.Class(f.class) {
				return nil
			}
			return do(e)
		})
	}
	if err := wanted(func(e *migrate.Entry) error {
		v.Entries = append(v.Entries, planEntryView{Entry: *e})
		return nil
	}); err != nil {
		return err
	}
	if !f.offline {
		if err := a.changedSince(ctx, p, wanted, v, &f.planUse); err != nil {
			a.complain("what has changed since could not be found out: " + message(err))
		}
	}
	return a.print(v, v.text)
}

func (a *app) changedSince(ctx context.Context, p *planFile, entries func(func(*migrate.Entry) error) error, v *planView, f *planUse) error {
	return a.withStores(ctx, p, "show", f, func(m *move) error {
		return p.looks(m, f).Do(ctx, entries, func(d *migrate.Verdict) error {
			if what := changeOf(d); what != "" {
				v.Changed = append(v.Changed, planChangeView{string(d.Entry.Name), what})
			}
			return nil
		})
	})
}

// changeOf is empty where all is as the plan saw it.
func changeOf(d *migrate.Verdict) string {
	switch {
	case d.Why != "":
		return d.Why
	case d.SourceChanged && d.Entry.Source != "":
		return "the source has changed"
	case d.TargetChanged && d.Entry.Action != "" && (d.Sign == inventory.Same || d.Foretold):
		return "it has been moved"
	case d.TargetChanged && d.Entry.To != "":
		return "the target has changed"
	}
	return ""
}

func (v *planView) text(w io.Writer) error {
	var b strings.Builder
	for i := range v.Entries {
		entryLines(&b, &v.Entries[i].Entry)
	}
	for _, c := range v.Changed {
		fmt.Fprintf(&b, "since: %s: %s\n", printable(c.Name), printable(c.What))
	}
	fmt.Fprintf(&b, "%s: %s of %s, %d to be written to %s, made %s\n", v.File, secrets(v.End.Count), v.Header.From, v.End.Act, v.Header.To, v.Header.Made.Format(time.RFC3339))
	classLines(&b, v.End.Classes)
	fmt.Fprintf(&b, "sha256 %s\n", v.Digest)
	_, err := io.WriteString(w, b.String())
	return err
}

func entryLines(b *strings.Builder, e *migrate.Entry) {
	fmt.Fprintf(b, "%-10s  %s", e.Class, printable(string(e.Name)))
	if e.To != "" && e.To != e.Name {
		b.WriteString(" -> " + printable(string(e.To)))
	}
	if e.Spelled != "" {
		b.WriteString(" (spelled " + printable(e.Spelled) + ")")
	}
	switch {
	case e.Action == "" && e.Why == "":
	case e.Action == "":
		b.WriteString(": stays: " + printable(e.Why))
	case e.Action == migrate.DoAppend:
		b.WriteString(": adds " + versionList(e.Versions))
	default:
		b.WriteString(": " + versions(len(e.Versions)))
	}
	b.WriteString("\n")
	for _, l := range e.Losses {
		if l.Grade != secret.Trace.String() {
			fmt.Fprintf(b, "            loses %s (%s): %s\n", l.What, l.Grade, printable(l.Sentence()))
		}
	}
	if e.Class == migrate.Changed || e.Class == migrate.Conflict {
		for _, d := range e.Differs {
			fmt.Fprintf(b, "            differs: %s\n", partView{int64(d.Version), d.What}.words())
		}
	}
	for _, o := range e.Versions {
		if n := e.Numbers[o]; n != 0 {
			fmt.Fprintf(b, "            version %d becomes version %d\n", o, n)
		}
	}
	for _, n := range e.Notes {
		fmt.Fprintf(b, "            note: %s\n", printable(n))
	}
}

func versionList(all []secret.Ordinal) string {
	var said []string
	for _, o := range all {
		said = append(said, o.String())
	}
	if len(said) == 1 {
		return "version " + said[0]
	}
	return "versions " + strings.Join(said, ", ")
}
