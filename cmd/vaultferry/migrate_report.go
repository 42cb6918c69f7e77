package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/migrate/report"
	"github.com/vaultferry/vaultferry/secret"
)

type migrateReportFlags struct {
	paceFlags
	runKey         string
	output, html   string
	source, target string // inventories that are there already
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

--html writes a page for people beside it. It names the secrets that failed.`,
		Example: `  vaultferry migrate report move.plan --output-file move.report --html move.html
  vaultferry migrate report move.plan --output-file move.report --target-inventory theirs.inventory`,
		Args: arguments("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.output == "" || f.output == "-" {
				return usagef("--output-file FILE is missing")
			}
			if err := f.check(); err != nil {
				return err
			}
			return a.migrateReport(cmd.Context(), args[0], &f)
		},
	}
	cmd.Flags().StringVar(&f.output, "output-file", "", "the report's file")
	cmd.Flags().StringVar(&f.html, "html", "", "write a page for people to this file, too")
	cmd.Flags().StringVar(&f.source, "source-inventory", "", "an inventory of the source, instead of one that is taken now")
	cmd.Flags().StringVar(&f.target, "target-inventory", "", "an inventory of the target, instead of one that is taken now")
	cmd.Flags().StringVar(&f.runKey, "run-key", "", "the file of the plan's run key")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace existing files")
	f.flags(cmd)
	return cmd
}

// reporting is a report that is being made.
type reporting struct {
	plan    *planFile
	keys    *backup.Keyring
	facts   report.Migration
	details report.Details
	steps   map[secret.Name]migrate.Line // the last line of the journal on each
	sums    [2]string                    // SHA-256 of the inventories
}

func (a *app) migrateReport(ctx context.Context, path string, f *migrateReportFlags) (err error) {
	p, err := a.openPlan(path, f.runKey)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	cfg, err := a.loadUnresolved()
	if err != nil {
		return err
	}
	keys, err := loadKeyring(cfg.Keyring.File)
	if err != nil {
		return err
	}
	if _, _, signs := keys.Signer(); !signs {
		return usagef("no key of %s signs: vaultferry keys new --add --type %s", cfg.Keyring.File, backup.AlgEdDSA)
	}
	if err := f.free(); err != nil {
		return err
	}
	r := &reporting{plan: p, keys: keys, steps: map[secret.Name]migrate.Line{}, details: report.Details{File: f.output}}
	r.facts = report.Migration{
		Run: p.Header.Run, Gateway: gatewayID(cfg, keys), Program: readVersion().line(), RunKeyID: p.Header.RunKeyID,
		Plan: planFacts(p),
	}
	if err := r.readJournal(); err != nil {
		return &exitError{exitUsage, fmt.Errorf("%s.journal: %s", path, message(err))}
	}
	for _, given := range []string{f.source, f.target} { // before anything is taken
		if given != "" {
			if err := p.sharesKey(given); err != nil {
				return err
			}
		}
	}
	foreign := f.target != ""
	if err := a.takeBoth(ctx, p, r.facts.Gateway, keys, f); err != nil {
		return err
	}
	if err := r.compare(f.source, f.target, foreign); err != nil {
		return err
	}
	r.facts.Made = a.now()
	if r.facts.Audit, err = a.auditSpan(r.facts.Run, r.facts.Moved.Begun, r.facts.Moved.Ended); err != nil {
		return err
	}
	return a.writeReport(r, f)
}

// sharesKey fails unless an inventory was made under the plan's run key.
func (p *planFile) sharesKey(file string) error {
	in, err := os.Open(file)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	defer func() { _ = in.Close() }() // only read
	r, err := inventory.NewReader(in, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if have, want := r.Header.RunKeyID, p.Header.RunKeyID; have != want {
		return usagef("%s has the run key %s, and the plan has %s: both must be made with one --run-key FILE", file, have, want)
	}
	return nil
}

// ownSource and ownTarget end the names of the inventories that are taken.
const (
	ownSource = ".source.inventory"
	ownTarget = ".target.inventory"
)

// free fails where a file of the report is there already.
func (f *migrateReportFlags) free() error {
	files := []string{f.output, f.html}
	if f.source == "" {
		files = append(files, f.output+ownSource)
	}
	if f.target == "" {
		files = append(files, f.output+ownTarget)
	}
	for _, file := range files {
		if _, err := os.Lstat(file); file != "" && err == nil && !f.force {
			return usagef("%s exists already; --force replaces it", file)
		}
	}
	return nil
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
func (a *app) takeBoth(ctx context.Context, p *planFile, id string, keys *backup.Keyring, f *migrateReportFlags) (err error) {
	if f.source != "" && f.target != "" {
		return nil
	}
	m, err := a.openMove(ctx, p.Header.From, p.Header.To, "report", p.Header.Run, &f.paceFlags)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	for _, side := range []struct {
		file    *string
		end     string
		session *session
		survey  migrate.Survey
	}{
		{&f.source, ownSource, m.from, migrate.Survey{Side: m.source}},
		{&f.target, ownTarget, m.to, migrate.Survey{Side: m.target, Target: true}},
	} {
		if *side.file != "" {
			continue
		}
		*side.file = f.output + side.end
		side.survey.Key, side.survey.Readers, side.survey.Ends = p.key, f.concurrency, endsAll
		h := inventory.Header{
			Gateway: id, Store: side.session.store.Name, Product: side.session.store.Backend, Begun: a.now().UTC(),
			RunKeyID: p.Header.RunKeyID, RunKey: p.Header.RunKey,
		}
		if err := a.survey(ctx, &side.survey, p, &h, keys, *side.file, f.force); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) survey(ctx context.Context, s *migrate.Survey, p *planFile, h *inventory.Header, keys *backup.Keyring, file string, force bool) error {
	return writeWhole(file, force, func(out *os.File) error {
		buffered := bufio.NewWriter(out)
		w, err := inventory.NewWriter(buffered, *h)
		if err != nil {
			return err
		}
		if err := s.Take(ctx, p.entries, w.Write); err != nil {
			return err
		}
		if _, err = w.Close(a.now(), nil, signWith(keys)); err != nil {
			return err
		}
		return buffered.Flush()
	})
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
			r.steps[l.Name] = l
		}
	})
	if err == nil && m.Runs == 0 {
		err = secret.Errorf(secret.Invalid, "the plan has not been run")
	}
	r.details.Timeline = report.NewTimeline(events)
	return err
}

// compare reads both inventories beside the plan. Another party's is signed by
// nobody that is known here: that party cosigns the report.
func (r *reporting) compare(sourceFile, targetFile string, foreign bool) error {
	source, err := r.read(0, sourceFile, &r.facts.Source, verifierOf(r.keys))
	if err != nil {
		return err
	}
	prove := verifierOf(r.keys)
	if foreign {
		prove = nil
	}
	target, err := r.read(1, targetFile, &r.facts.Target, prove)
	if err != nil {
		return err
	}
	return r.plan.entries(func(e *migrate.Entry) error {
		r.weigh(e)
		if e.Class == migrate.Deleted {
			return nil
		}
		src := source[e.Name]
		v := e.Judge(src, target[e.Name])
		r.facts.Compared.Add(v.Sign, v.Foretold)
		if e.Action == "" {
			return nil
		}
		for _, l := range e.Losses {
			r.facts.Foretell(l.Grade, l.What)
		}
		if src != nil {
			for _, l := range e.Found(v.Parts, src) {
				r.facts.Find(l.Grade, l.What)
			}
		}
		return nil
	})
}

// read returns what an inventory says of each name of the source.
func (r *reporting) read(i int, file string, facts *report.Store, prove inventory.Verifier) (map[secret.Name]*inventory.Entry, error) {
	all := map[secret.Name]*inventory.Entry{}
	in, sum, err := scanInventory(file, prove, func(e *inventory.Entry) {
		if e.Deleted == nil {
			all[cmp.Or(e.Of, e.Name)] = e
		}
	})
	if err != nil {
		return nil, err
	}
	*facts, r.sums[i] = report.StoreOf(file, in), sum
	return all, nil
}

// weigh counts what became of an entry.
func (r *reporting) weigh(e *migrate.Entry) {
	m := &r.facts.Moved
	failed := report.Failure{Name: string(e.Name), Step: string(migrate.Failed)}
	line, tried := r.steps[e.Name]
	switch {
	case e.Action == "":
		if !e.Stays(r.plan.Header.Rules) {
			return
		}
		failed.Step, failed.Why = "stays", e.Why
	case !tried:
		m.NotTried++
		failed.Step = notTried
	case line.Step == migrate.Done:
		m.Done++
		m.Versions += len(e.Versions)
		return
	case line.Step == migrate.Skipped:
		m.Skipped++
		failed.Step, failed.Why = string(migrate.Skipped), line.Why
	default:
		m.Failed++
		failed.Why = line.Why
	}
	r.details.Failed = append(r.details.Failed, failed)
}

func (a *app) writeReport(r *reporting, f *migrateReportFlags) error {
	s, err := report.New(r.facts, r.plan.digest, r.sums[0], r.sums[1])
	if err != nil {
		return err
	}
	signed, err := report.Sign(s, r.keys)
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
	return a.print(v, v.text)
}
