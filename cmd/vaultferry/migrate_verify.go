package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

type verifyFlags struct {
	planUse
	metrics string
	errors  errorFile
}

func (a *app) migrateVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify PLAN",
		Short: "Compare both stores after a run",
		Long: `Reads both stores as they are now and compares what the plan is about, by
digests of values and attributes, as "diff" does. What the plan foretold to be
lost is no difference, and neither is what it left where it is: that is counted
by itself. Secrets that the source has got since are differences,
unless the plan was made for a list of names.

--metrics-file writes the counts for the textfile collector of node_exporter. A
verification that does not come to its end leaves the file as it was.

Exit codes: 0 all is as the plan promised, 3 something differs, 1 something could not be
read.`,
		Example: `  vaultferry migrate verify move.plan
  vaultferry migrate verify move.plan --output json
  vaultferry migrate verify move.plan --metrics-file /var/lib/node_exporter/vaultferry-verify.prom`,
		Args: arguments("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.migrateVerify(cmd.Context(), args[0], &f) },
	}
	cmd.Flags().StringVar(&f.metrics, "metrics-file", "", "write metrics to this file")
	f.errors.flags(cmd)
	f.flags(cmd)
	return cmd
}

// verifyReport is the answer to programs.
type verifyReport struct {
	File     string         `json:"file"`
	Run      string         `json:"run"`
	Counts   map[string]int `json:"counts"`
	Foretold int            `json:"foretold"` // of what is not "="
	Stays    int            `json:"stays"`    // of what is not "=": left where they are by the plan
	Unseen   int            `json:"unseen"`   // values that a product does not show
	Differ   []diffView     `json:"differ"`   // all but "=", what was foretold and what stays
	unread   int
}

func (a *app) migrateVerify(ctx context.Context, path string, f *verifyFlags) error {
	return a.withPlan(ctx, path, &f.planUse, func(p *planFile) error {
		return a.withStores(ctx, p, "verify", &f.planUse, func(m *move) error { return a.verifyPlan(ctx, p, m, f) })
	})
}

func (a *app) verifyPlan(ctx context.Context, p *planFile, m *move, f *verifyFlags) error {
	counts := newDriftCounts()
	report := &verifyReport{File: p.path, Run: p.Header.Run, Counts: map[string]int{}, Differ: []diffView{}}
	look := p.looks(m, &f.planUse)
	if !p.Header.Named {
		folds := m.source.FoldsCase
		look.Listed, look.Takes = &m.source, func(n secret.Name) bool { return matchesAny(p.Header.Match, string(n), folds) }
	}
	far := newProgress(a.now, p.End.Count-p.End.Classes[migrate.Deleted], &m.source, &m.target)
	tell := func(v *migrate.Verdict) error {
		report.add(v)
		counts.add(v)
		differs := v.Differs() || v.Sign == inventory.Incomparable && !v.Stays
		if far.step(differs); differs {
			f.errors.add(v.Entry.Name)
		}
		return nil
	}
	if err := a.whileShown(far, func() error { return look.Do(ctx, p.entries, tell) }); err != nil {
		return err
	}
	if f.metrics != "" {
		if err := counts.write(f.metrics, p.path, &p.Header, a.now()); err != nil {
			return fmt.Errorf("--metrics-file: %w", err)
		}
	}
	return errors.Join(a.answer(report, report.text), f.errors.write(), report.exit())
}

func (r *verifyReport) add(v *migrate.Verdict) {
	r.Counts[string(v.Sign)]++
	if v.Sign == inventory.Incomparable && !v.Stays {
		r.unread++
	}
	r.Unseen += v.Unseen
	switch {
	case v.Foretold:
		r.Foretold++
	case v.Stays:
		r.Stays++
	case v.Sign != inventory.Same:
		r.Differ = append(r.Differ, viewVerdict(v))
	}
}

func (r *verifyReport) text(w io.Writer) error {
	var b strings.Builder
	for i := range r.Differ {
		b.WriteString(r.Differ[i].line() + "\n")
	}
	fmt.Fprintf(&b, "%s: %s", r.File, countLine(r.Counts, "the source", "the target"))
	if r.Foretold > 0 {
		fmt.Fprintf(&b, "; %d as foretold", r.Foretold)
	}
	b.WriteString(staysWords(r.Stays))
	b.WriteString("\n")
	if r.Unseen > 0 {
		fmt.Fprintf(&b, "%d values of disabled versions were not compared: a product does not show them\n", r.Unseen)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// staysWords says of how many the plan promised nothing.
func staysWords(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; the plan leaves %d where they are", n)
}

func (r *verifyReport) exit() error {
	switch {
	case r.unread > 0:
		return &exitError{code: exitFailed}
	case len(r.Differ) > 0:
		return &exitError{code: exitDifferent}
	}
	return nil
}
