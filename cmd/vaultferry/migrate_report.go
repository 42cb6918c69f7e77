package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/migrate/report"
	"github.com/vaultferry/vaultferry/secret"
)

type migrateReportFlags struct {
	planUse
	output, html   string
	source, target string // inventories that are there already
	trusted        []string
	force          bool
}

func (a *app) migrateReportCommand() *cobra.Command {
	var f migrateReportFlags
	cmd := &cobra.Command{
		Use:   "report PLAN --output-file REPORT",
		Short: "Sign what was planned, what was done, and what stands",
		Long: `Takes an inventory of what the plan names at each side, compares them, and signs a
report of the move: counts, roots and digests of files, no value and no name.
"report verify" reads it, and so do other tools.

The inventories are written beside the report, as REPORT.source.inventory and
REPORT.target.inventory. --source-inventory and --target-inventory take ones that
are there already, such as that of another party's gateway, under the same run key.
--public-key names the keys that may have signed it; without, the other party says
so when it cosigns the report.

--html writes a page for people beside it. It names the secrets that failed.`,
		Example: `  vaultferry migrate report move.plan --output-file move.report --html move.html
  vaultferry migrate report move.plan --output-file move.report --target-inventory theirs.inventory`,
		Args: arguments("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.output == "" || f.output == "-" {
				return usagef("--output-file FILE is missing")
			}
			if err := f.free(args[0]); err != nil {
				return err
			}
			return a.migrateReport(cmd.Context(), args[0], &f)
		},
	}
	cmd.Flags().StringVar(&f.output, "output-file", "", "the report's file")
	cmd.Flags().StringVar(&f.html, "html", "", "write a page for people to this file, too")
	cmd.Flags().StringVar(&f.source, "source-inventory", "", "an inventory of the source, instead of one that is taken now")
	cmd.Flags().StringVar(&f.target, "target-inventory", "", "an inventory of the target, instead of one that is taken now")
	cmd.Flags().StringArrayVar(&f.trusted, "public-key", nil, "public keys of the party that made an inventory; may be given several times")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace existing files")
	f.flags(cmd)
	return cmd
}

// reporting is a report that is being made.
type reporting struct {
	plan    *planFile
	facts   report.Migration
	details report.Details
	done    map[secret.Name]bool
	ends    map[secret.Name]ending // of what is not done
	sums    [2]string              // SHA-256 of the inventories
}

// ending is what the journal says last of a secret.
type ending struct {
	step migrate.Step
	why  string
}

func (a *app) migrateReport(ctx context.Context, path string, f *migrateReportFlags) error {
	return a.withPlan(ctx, path, &f.planUse, func(p *planFile) error { return a.reportPlan(ctx, p, f) })
}

func (a *app) reportPlan(ctx context.Context, p *planFile, f *migrateReportFlags) (err error) {
	if _, _, signs := p.keys.Signer(); !signs {
		return usagef("no key of %s signs: vaultferry keys new --add --type %s", a.keyringName(p.cfg), backup.AlgEdDSA)
	}
	r := &reporting{plan: p, done: map[secret.Name]bool{}, ends: map[secret.Name]ending{}, details: report.Details{File: f.output}}
	r.facts = report.Migration{
		Run: p.Header.Run, Gateway: gatewayID(p.cfg, p.keys), Program: readVersion().line(), RunKeyID: p.Header.RunKeyID,
		Plan: planFacts(p),
	}
	if err := r.readJournal(); err != nil {
		return &exitError{exitUsage, fmt.Errorf("%s.journal: %s", p.path, message(err))}
	}
	signers, err := trusted(p.keys, f.trusted)
	if err != nil {
		return err
	}
	prove := [2]inventory.Verifier{verifierOf(signers), verifierOf(signers)}
	if f.target != "" && len(f.trusted) == 0 {
		prove[1] = nil // another party's is signed by nobody known here: it cosigns the report
	}
	for i, given := range []string{f.source, f.target} { // before anything is taken
		if given == "" {
			continue
		}
		in, err := openInventory(given, prove[i])
		if err != nil {
			return err
		}
		if err := errors.Join(p.sharesKey(in), in.close()); err != nil {
			return err
		}
	}
	given := [2]string{f.source, f.target}
	if err := a.takeBoth(ctx, p, f); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			a.sayTaken(given, f)
		}
	}()
	if err := r.compare(ctx, [2]string{f.source, f.target}, prove); err != nil {
		return err
	}
	r.facts.Made = a.now()
	if r.facts.Audit, err = a.auditSpan(r.facts.Run, r.facts.Moved.Begun, r.facts.Moved.Ended); err != nil {
		return err
	}
	return a.writeReport(r, f)
}

// ownSource and ownTarget end the names of the inventories that are taken.
const (
	ownSource = ".source.inventory"
	ownTarget = ".target.inventory"
)

// free fails where a file of the report is there already, or is read for it.
func (f *migrateReportFlags) free(plan string) error {
	files := []string{f.output, f.html}
	if f.source == "" {
		files = append(files, f.output+ownSource)
	}
	if f.target == "" {
		files = append(files, f.output+ownTarget)
	}
	for _, file := range files {
		if err := mustNotOverwrite(file, plan, plan+".journal", f.source, f.target); err != nil {
			return err
		}
	}
	return mustBeFree(f.force, files...)
}

func planFacts(p *planFile) report.Plan {
	facts := report.Plan{
		File: p.path, Made: p.End.Ended, Secrets: p.End.Count, Act: p.End.Act, Stay: p.End.Stay, LeftOut: len(p.End.LeftOut), Classes: map[string]int{},
	}
	for class, n := range p.End.Classes {
		facts.Classes[string(class)] = n
	}
	return facts
}

// takeBoth takes the inventories that f does not name, and names them.
func (a *app) takeBoth(ctx context.Context, p *planFile, f *migrateReportFlags) error {
	if f.source != "" && f.target != "" {
		return nil
	}
	return a.withStores(ctx, p, "report", &f.planUse, func(m *move) error {
		for _, side := range []struct {
			file    *string
			end     string
			session *session
			survey  migrate.Survey
		}{
			{&f.source, ownSource, m.from, migrate.Survey{Live: live(&m.source, p.key)}},
			{&f.target, ownTarget, m.to, migrate.Survey{Live: live(&m.target, p.key), Target: true}},
		} {
			if *side.file != "" {
				continue
			}
			*side.file = f.output + side.end
			side.survey.Readers = f.concurrency
			h := side.session.inventoryHeader(p.keys, p.key, p.Header.RunKey)
			h.Plan = p.digest
			far, err := p.surveyed(&side.survey, side.survey.Side)
			if err != nil {
				return err
			}
			if _, err := a.writeInventory(*side.file, f.force, h, p.keys, far, func(write func(*inventory.Entry) error) ([]inventory.LeftOut, error) {
				return nil, side.survey.Take(ctx, p.entries, write)
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// sayTaken tells of the inventories that stand though no report came of them: they may
// have taken long, and serve the next try.
func (a *app) sayTaken(given [2]string, f *migrateReportFlags) {
	for i, side := range []struct{ flag, file string }{{"--source-inventory", f.source}, {"--target-inventory", f.target}} {
		if given[i] == "" && side.file != "" {
			a.complain(fmt.Sprintf("note: %s was taken and is kept: give it with %s, or remove it", printable(side.file), side.flag))
		}
	}
}

// readJournal counts what the runs did.
func (r *reporting) readJournal() error {
	m := &r.facts.Moved
	var events []report.Event
	err := migrate.ReadJournal(r.plan.path+".journal", r.plan.key, r.plan.digest, func(l migrate.Line) {
		if m.Begun.IsZero() {
			m.Begun = l.At
		}
		m.Ended = l.At
		switch l.Step {
		case migrate.Opened:
			m.Runs++
		case migrate.Done:
			events = append(events, report.Event{At: l.At, What: report.EventDone})
		case migrate.Failed, migrate.Skipped:
			events = append(events, report.Event{At: l.At, What: report.EventFailed})
		case migrate.Begun, migrate.Closed:
		}
		for range l.Refused {
			events = append(events, report.Event{At: l.At, What: report.EventThrottled})
		}
		if l.Name != "" {
			r.ended(l)
		}
	})
	if err == nil && m.Runs == 0 {
		err = secret.Errorf(secret.Invalid, "the plan has not been run")
	}
	r.details.Timeline = report.NewTimeline(events)
	return err
}

// ended keeps what a line says of a secret, which is the last so far.
func (r *reporting) ended(l migrate.Line) {
	if l.Step == migrate.Done {
		r.done[l.Name] = true
		delete(r.ends, l.Name)
		return
	}
	delete(r.done, l.Name)
	r.ends[l.Name] = ending{l.Step, l.Why}
}

// compare reads both inventories beside the plan, and holds neither.
func (r *reporting) compare(ctx context.Context, files [2]string, prove [2]inventory.Verifier) (err error) {
	var sides [2]migrate.Looker
	for i, facts := range []*report.Store{&r.facts.Source, &r.facts.Target} {
		in, err := openInventory(files[i], prove[i])
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, in.close()) }()
		x, err := in.index()
		if err != nil {
			return err
		}
		*facts, r.sums[i], sides[i] = report.StoreOf(files[i], in.Reader), in.digest(), migrate.Taken{Index: x}
	}
	err = r.plan.entries(func(e *migrate.Entry) error {
		r.weigh(e)
		return nil
	})
	if err != nil {
		return err
	}
	look := migrate.Verification{From: sides[0], To: sides[1], Key: r.plan.key, Readers: 1}
	return look.Do(ctx, r.plan.entries, func(v *migrate.Verdict) error {
		r.facts.Compared.Add(v.Sign, v.Foretold)
		if v.Entry.Action == "" {
			return nil
		}
		for _, l := range v.Entry.Losses {
			r.facts.Foretell(l.Grade, l.What)
		}
		for _, l := range v.Found() {
			r.facts.Find(l.Grade, l.What)
		}
		return nil
	})
}

// weigh counts what became of an entry.
func (r *reporting) weigh(e *migrate.Entry) {
	m := &r.facts.Moved
	failed := report.Failure{Name: string(e.Name), Step: string(migrate.Failed)}
	end, tried := r.ends[e.Name]
	done := r.done[e.Name]
	switch {
	case e.Action == "":
		if !e.Stays(r.plan.Header.Rules) {
			return
		}
		failed.Step, failed.Why = "stays", e.Why
	case done:
		m.Done++
		m.Versions += len(e.Versions)
		return
	case !tried:
		m.NotTried++
		failed.Step = notTried
	case end.step == migrate.Skipped:
		m.Skipped++
		failed.Step, failed.Why = string(migrate.Skipped), end.why
	default:
		m.Failed++
		failed.Why = end.why
	}
	r.details.Failed = append(r.details.Failed, failed)
}

func (a *app) writeReport(r *reporting, f *migrateReportFlags) error {
	s, err := report.New(r.facts, r.plan.digest, r.sums[0], r.sums[1])
	if err != nil {
		return err
	}
	signed, err := report.Sign(s, r.plan.keys)
	if err != nil {
		return err
	}
	b, err := signed.Encode()
	if err != nil {
		return err
	}
	if f.html != "" {
		var page bytes.Buffer
		if err := signed.HTML(&page, &r.details); err != nil {
			return err
		}
		if err := writeFile(f.html, page.Bytes(), f.force); err != nil {
			return err
		}
	}
	if err := writeFile(f.output, b, f.force); err != nil {
		return err
	}
	v := reportView{Report: f.output, Whole: s.Predicate.Whole(), Statement: s}
	for _, id := range signed.KeyIDs() {
		v.Signatures = append(v.Signatures, signatureView{Key: id, Verified: true, By: "the keyring"})
	}
	return a.answer(v, v.text)
}
