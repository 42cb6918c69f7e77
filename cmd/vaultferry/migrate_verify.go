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
	paceFlags
	runKey  string
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
lost is no difference. Secrets that the source has got since are differences,
unless the plan was made for a list of names.

--metrics-file writes the counts for the textfile collector of node_exporter. A
verification that does not come to its end leaves the file as it was.

Exit codes: 0 all is as foretold, 3 something differs, 1 something could not be
read.`,
		Example: `  vaultferry migrate verify move.plan
  vaultferry migrate verify move.plan --output json
  vaultferry migrate verify move.plan --metrics-file /var/lib/node_exporter/vaultferry-verify.prom`,
		Args: arguments("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.migrateVerify(cmd.Context(), args[0], &f) },
	}
	cmd.Flags().StringVar(&f.runKey, "run-key", "", "the file of the plan's run key")
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
	Unseen   int            `json:"unseen"`   // values that a product does not show
	Differ   []verdictView  `json:"differ"`   // all but "=" and what was foretold
}

type verdictView struct {
	diffView
	Why string `json:"why,omitempty"`
}

func (a *app) migrateVerify(ctx context.Context, path string, f *verifyFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	p, err := a.openPlan(path, f.runKey)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	m, err := a.openMove(ctx, p.Header.From, p.Header.To, "verify", p.Header.Run, &f.paceFlags)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	counts := newDriftCounts()
	report := &verifyReport{File: path, Run: p.Header.Run, Counts: map[string]int{}, Differ: []verdictView{}}
	look := migrate.Verification{From: m.source, To: m.target, Key: p.key, Readers: f.concurrency, Ends: endsAll}
	if !p.Header.Named {
		folds := m.source.FoldsCase
		look.Takes = func(n secret.Name) bool { return matchesAny(p.Header.Match, string(n), folds) }
	}
	if err := look.Do(ctx, p.entries, func(v *migrate.Verdict) error {
		report.add(v)
		counts.add(v)
		if v.Differs() || v.Sign == inventory.Incomparable {
			f.errors.add(v.Entry.Name)
		}
		return nil
	}); err != nil {
		return err
	}
	if f.metrics != "" {
		if err := counts.write(f.metrics, path, &p.Header, a.now()); err != nil {
			return fmt.Errorf("--metrics-file: %w", err)
		}
	}
	return errors.Join(a.print(report, report.text), f.errors.write(), report.exit())
}

func (r *verifyReport) add(v *migrate.Verdict) {
	sign := string(v.Sign)
	r.Counts[sign]++
	r.Unseen += v.Unseen
	switch {
	case v.Foretold:
		r.Foretold++
	case v.Sign != inventory.Same:
		d := diffView{Sign: sign, Name: string(v.Entry.Name)}
		for _, p := range v.Parts {
			d.Parts = append(d.Parts, partView{int64(p.Version), p.What})
		}
		why := v.Why
		if why == "" {
			why = v.Entry.Why
		}
		r.Differ = append(r.Differ, verdictView{d, why})
	}
}

func (r *verifyReport) text(w io.Writer) error {
	var b strings.Builder
	for i := range r.Differ {
		d := &r.Differ[i]
		b.WriteString(d.line())
		if d.Why != "" {
			b.WriteString(" (" + printable(d.Why) + ")")
		}
		b.WriteString("\n")
	}
	var all []string
	for _, s := range signs {
		words := map[string]string{"-": "only at the source", "+": "only at the target"}[s.sign]
		if words == "" {
			words = s.words
		}
		if n := r.Counts[s.sign]; n > 0 || s.sign == "=" {
			all = append(all, fmt.Sprintf("%d %s", n, words))
		}
	}
	fmt.Fprintf(&b, "%s: %s", r.File, strings.Join(all, ", "))
	if r.Foretold > 0 {
		fmt.Fprintf(&b, "; %d as foretold", r.Foretold)
	}
	b.WriteString("\n")
	if r.Unseen > 0 {
		fmt.Fprintf(&b, "%d values of disabled versions were not compared: a product does not show them\n", r.Unseen)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *verifyReport) exit() error {
	switch {
	case r.Counts[string(inventory.Incomparable)] > 0:
		return &exitError{code: exitFailed}
	case len(r.Differ) > 0:
		return &exitError{code: exitDifferent}
	}
	return nil
}
