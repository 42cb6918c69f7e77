package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
)

type rehearseFlags struct {
	planUse
	as     string
	errors errorFile
}

func (a *app) migrateRehearseCommand() *cobra.Command {
	var f rehearseFlags
	cmd := &cobra.Command{
		Use:   "rehearse PLAN [--as PRODUCT]",
		Short: "Do what a plan says against an imitation, and forget it",
		Long: `Does the same as "run" in a store in memory that holds what the product holds and
no more. It says what would have been answered to each secret, compares what would
stand with the source, and forgets it; --concurrency secrets are there at once. It
writes nothing: no journal, no archive, nothing to the target.

The target is read where the plan adds to what stands there, which needs the
rights to get and to back that up; otherwise it is not even opened. So a move can
be rehearsed into a product that nobody has bought yet.

PRODUCT is ` + strings.Join(all.Imitations(), ", ") + `:
the target's own unless you say otherwise.

Exit codes: 0 all would be done as foretold, 1 some would fail or be skipped, 3
what would stand differs from what was foretold.`,
		Example: `  vaultferry migrate rehearse move.plan --as csms
  vaultferry migrate rehearse move.plan --as azurekv --output json`,
		Args: arguments("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withPlan(cmd.Context(), args[0], &f.planUse, func(p *planFile) error { return a.rehearse(cmd.Context(), p, &f) })
		},
	}
	cmd.Flags().StringVar(&f.as, "as", "", "the product that is imitated")
	f.errors.flags(cmd)
	f.flags(cmd)
	return cmd
}

// rehearseReport is the answer to programs.
type rehearseReport struct {
	File    string `json:"file"`
	Run     string `json:"run"`
	As      string `json:"as"`
	Planned int    `json:"planned"`
	Done    int    `json:"done"`
	Skipped int    `json:"skipped"`
	Failed  int    `json:"failed"`
	Stay    int    `json:"stay"` // what the plan leaves where it is
	// Foretold is how many would differ from the source, as the plan says; Differ
	// are those that would otherwise.
	Foretold int            `json:"foretold"`
	Differ   []diffView     `json:"differ"`
	Errors   []runErrorView `json:"errors"`
}

func (a *app) rehearse(ctx context.Context, p *planFile, f *rehearseFlags) (err error) {
	if f.as == "" {
		f.as = p.Header.ToProduct
	}
	a.atOnce = f.concurrency
	stage, err := a.imitate(f.as, p.cfg, p.keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	adds, err := p.adds()
	if err != nil {
		return err
	}
	if adds {
		return a.withStores(ctx, p, "rehearse", &f.planUse, func(m *move) error { return a.rehearseOn(ctx, p, stage, &m.source, &m.target, f) })
	}
	from, err := a.openSession(ctx, p.Header.From)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	return a.rehearseOn(ctx, p, stage, from.side(a.moveCall("rehearse", p.Header.Run), &f.paceFlags), nil, f)
}

// adds reports whether the plan adds to what stands at the target.
func (p *planFile) adds() (adds bool, err error) {
	err = p.entries(func(e *migrate.Entry) error {
		adds = adds || e.Action == migrate.DoAppend
		return nil
	})
	return adds, err
}

func (a *app) rehearseOn(ctx context.Context, p *planFile, stage *imitation, from, to *migrate.Side, f *rehearseFlags) error {
	report := &rehearseReport{File: p.path, Run: p.Header.Run, As: f.as, Planned: p.End.Act, Stay: p.End.Stay, Differ: []diffView{}, Errors: []runErrorView{}}
	side := func(store string) migrate.Side {
		return migrate.Side{Store: store, Service: stage, Call: a.moveCall("rehearse", p.Header.Run), Pace: migrate.NewPace(0, f.concurrency)}
	}
	r := &migrate.Rehearsal{
		From: *from, To: to, Rules: p.Header.Rules, Key: p.key, Stage: side(imitated), Standing: side(standing),
		Forget: stage.forget, Workers: f.concurrency,
	}
	far := newProgress(a.now, p.End.Act, from, to)
	tell := func(r *migrate.Rehearsed) error {
		otherwise := report.add(a, r)
		if far.step(otherwise); otherwise {
			f.errors.add(r.Entry.Name)
		}
		return nil
	}
	err := a.whileShown(far, func() error { return r.Do(ctx, p.entries, tell) })
	if err != nil {
		return err
	}
	return errors.Join(a.answer(report, report.text), f.errors.write(), report.exit())
}

// add reports whether the secret would not be moved as foretold.
func (r *rehearseReport) add(a *app, res *migrate.Rehearsed) bool {
	switch v := res.Verdict; {
	case res.Err != nil && res.Step == migrate.Skipped:
		r.Skipped++
	case res.Err != nil:
		r.Failed++
	case v == nil || v.Sign == inventory.Same:
		r.Done++
		return false
	case v.Foretold:
		r.Done++
		r.Foretold++
		return false
	default:
		r.Done++
		r.Differ = append(r.Differ, viewVerdict(v))
		return true
	}
	e := runErrorView{string(res.Entry.Name), res.Step, message(res.Err)}
	r.Errors = append(r.Errors, e)
	a.complain(e.line())
	return true
}

func (r *rehearseReport) text(w io.Writer) error {
	var b strings.Builder
	for i := range r.Differ {
		b.WriteString(r.Differ[i].line() + "\n")
	}
	fmt.Fprintf(&b, "%s, as if into %s: %s of %d planned\n", r.File, r.As, countWords(
		counted{r.Done, "would be moved"}, counted{r.Skipped, "would be skipped"}, counted{r.Failed, "would fail"}), r.Planned)
	fmt.Fprintf(&b, "%d would be the same, %d would differ as foretold, %d otherwise\n", r.Done-r.Foretold-len(r.Differ), r.Foretold, len(r.Differ))
	b.WriteString(stayLine(r.Stay))
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *rehearseReport) exit() error {
	switch {
	case r.Skipped+r.Failed > 0:
		return &exitError{code: exitFailed}
	case len(r.Differ) > 0:
		return &exitError{code: exitDifferent}
	}
	return nil
}
