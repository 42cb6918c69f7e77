package main

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
)

// diffByPlan compares what a plan names: a with the plan's source, b with its target.
func (a *app) diffByPlan(ctx context.Context, inA, inB *operand, f *diffFlags, tell func(*migrate.Verdict) error) error {
	return a.withPlan(ctx, f.plan, &f.planUse, func(p *planFile) (err error) {
		if inA.store == p.Header.To && inB.store == p.Header.From && inA.file == inB.file {
			return usagef("by this plan the first is %s, the source: vaultferry diff %s %s --plan %s", inB.store, inB.store, inA.store, f.plan)
		}
		noValues := f.noValues
		for _, in := range []*operand{inA, inB} {
			if in.file != nil {
				if err := p.sharesKey(in.file); err != nil {
					return err
				}
				noValues = noValues || in.file.Header.NoValues
			}
		}
		from, closeA, err := a.looker(ctx, inA, p, f, noValues)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeA()) }()
		to, closeB, err := a.looker(ctx, inB, p, f, noValues)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeB()) }()
		entries := func(do func(*migrate.Entry) error) error {
			return p.entries(func(e *migrate.Entry) error {
				if !matchesAny(f.match, string(e.Name), false) {
					return nil
				}
				return do(e)
			})
		}
		look := migrate.Verification{From: from, To: to, Key: p.key, Readers: f.concurrency}
		return look.Do(ctx, entries, tell)
	})
}

// looker reads one of the two sides of a plan.
func (a *app) looker(ctx context.Context, in *operand, p *planFile, f *diffFlags, noValues bool) (migrate.Looker, func() error, error) {
	if in.file != nil {
		x, err := in.file.index()
		return migrate.Taken{Index: x, NoValues: noValues}, func() error { return nil }, err
	}
	a.atOnce = f.concurrency
	s, err := a.openSession(ctx, in.store)
	if err != nil {
		return nil, nil, err
	}
	call := a.call("diff")
	call.RequestID = p.Header.Run
	look := live(s.side(call, &f.paceFlags), p.key)
	look.NoValues = noValues
	return look, s.close, nil
}

// sharesKey fails unless an inventory was made under the plan's run key.
func (p *planFile) sharesKey(in *inventoryFile) error {
	if have, want := in.Header.RunKeyID, p.Header.RunKeyID; have != want {
		return usagef("%s has the run key %s, and the plan has %s: both must be made with one --run-key FILE", in.path, have, want)
	}
	return nil
}

func viewVerdict(v *migrate.Verdict) diffView {
	d := diffView{Sign: string(v.Sign), Name: string(v.Entry.Name), Parts: viewParts(v.Parts), Foretold: v.Foretold, Stays: v.Stays, Why: v.Why}
	switch {
	case d.Why != "" || v.Sign == inventory.Same:
	case v.Foretold:
		d.Why = "as foretold"
	default:
		d.Why = v.Entry.Why
	}
	return d
}
