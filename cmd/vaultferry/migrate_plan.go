package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

type planFlags struct {
	paceFlags
	from        []string
	to          string
	outputFile  string
	force       bool
	runKey      string
	namesFile   namesFile
	errors      errorFile
	onConflict  string
	onLoss      string
	rename      string
	replace     []string
	stripPrefix string
	addPrefix   string

	store string // of from
	match []string
	names []secret.Name
	rules migrate.Rules
	maps  migrate.Mapping
}

func (a *app) migratePlanCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan --from STORE[/GLOB]... --to STORE --output-file PLAN",
		Short: "Say what a move would do and lose, secret by secret",
		Long: `Reads every secret of the source, or those that match a GLOB, looks at the
target, and writes a plan. It changes neither store. The plan holds no value.

  create      the target has no such name
  append      the target has it, and lacks newer versions
  same        nothing is to be done
  changed     the versions are there, and attributes differ: never written
  managed     a certificate manages it at the source
  loses       the target cannot hold all of it, or the source does not give it
  conflict    the name is taken by something else, or lies in the trash
  refused     the target would refuse it
  unmappable  no name of the target can stand for this name
  unreadable  the source does not give it
  deleted     it lies in the source's trash, or no version of it has a value, and
              is left there

--on-conflict says what happens to a taken name: fail, skip, or append, which
adds the source's versions to those of others. --on-loss is fail, accept,
trim-oldest or archive, as of "restore", and may differ by the kind of loss, as
"plan" and "show" name it: --on-loss fail,tags=accept,version=archive.

Names are mapped by --rename, a file of lines "from,to", or else by
--strip-prefix, --replace and --add-prefix, in this order. If two names
become one, no plan is written.

Exit code 1: the plan is written, and leaves out secrets that should move.`,
		Example: `  vaultferry migrate plan --from vault --to cloud --output-file move.plan
  vaultferry migrate plan --from 'vault/team-a/*' --to cloud --replace '[._]=-' --strip-prefix team-a/ --output-file a.plan
  vaultferry migrate plan --from vault --to cloud --on-loss fail,tags=accept --names-file failed.txt --output-file rest.plan`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.migratePlan(cmd.Context(), &f)
		},
	}
	cmd.Flags().StringArrayVar(&f.from, "from", nil, "the source, and which of its names: * is any run of characters, ? any one; may be given several times")
	cmd.Flags().StringVar(&f.to, "to", "", "the target")
	cmd.Flags().StringVar(&f.outputFile, "output-file", "", "the plan's file")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace an existing file")
	cmd.Flags().StringVar(&f.runKey, "run-key", "", "the file of the run key, made if it is not there")
	f.namesFile.flags(cmd, "plan for")
	cmd.Flags().StringVar(&f.onConflict, "on-conflict", "fail", "where the name is taken: fail, skip or append")
	cmd.Flags().StringVar(&f.onLoss, "on-loss", "", "where something would be lost: fail, accept, trim-oldest or archive, in general or by WORD=CHOICE (default: the target's on_loss, else fail)")
	cmd.Flags().StringVar(&f.rename, "rename", "", "a file of lines \"from,to\"")
	cmd.Flags().StringArrayVar(&f.replace, "replace", nil, "REGEXP=TEXT in every name; may be given several times")
	cmd.Flags().StringVar(&f.stripPrefix, "strip-prefix", "", "take this from the beginning of names")
	cmd.Flags().StringVar(&f.addPrefix, "add-prefix", "", "put this before every name")
	f.errors.flags(cmd)
	f.flags(cmd)
	return cmd
}

func (f *planFlags) check() error {
	switch {
	case len(f.from) == 0:
		return usagef("--from STORE is missing")
	case f.to == "":
		return usagef("--to STORE is missing")
	case f.outputFile == "" || f.outputFile == "-":
		return usagef("--output-file FILE is missing")
	case !slices.Contains([]string{"fail", "skip", "append"}, f.onConflict):
		return usagef("--on-conflict is fail, skip or append, not %q", f.onConflict)
	}
	for _, from := range f.from {
		store, glob, some := strings.Cut(from, "/")
		if f.store != "" && store != f.store {
			return usagef("a plan has one source, not %s and %s: make a plan for each", f.store, store)
		}
		if f.store = store; some {
			f.match = append(f.match, glob)
		}
	}
	if len(f.match) > 0 && len(f.match) < len(f.from) {
		f.match = nil // one of them is the whole store
	}
	f.rules.OnConflict = gateway.OnConflict(f.onConflict)
	for _, check := range []func() error{f.mustBeFree, f.paceFlags.check, f.parseOnLoss, f.parseNames, f.parseMapping} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (f *planFlags) mustBeFree() error { return mustBeFree(f.force, f.outputFile) }

func (f *planFlags) parseOnLoss() error {
	if f.onLoss == "" {
		return nil
	}
	for part := range strings.SplitSeq(f.onLoss, ",") {
		word, choice, some := strings.Cut(part, "=")
		if !some {
			word, choice = "", part
		}
		switch {
		case !slices.Contains(gateway.OnLosses(), gateway.OnLoss(choice)):
			return usagef("--on-loss is fail, accept, trim-oldest or archive, in general or by WORD=CHOICE, not %q", part)
		case !some && f.rules.OnLoss != "":
			return usagef("--on-loss has two general choices, %s and %s", f.rules.OnLoss, choice)
		case !some:
			f.rules.OnLoss = gateway.OnLoss(choice)
			continue
		case !slices.Contains(secret.LossWords(), word):
			return usagef("--on-loss: there is no loss %q; the words are %s", word, strings.Join(secret.LossWords(), ", "))
		}
		if f.rules.OnLossOf == nil {
			f.rules.OnLossOf = map[string]gateway.OnLoss{}
		}
		f.rules.OnLossOf[word] = gateway.OnLoss(choice)
	}
	return nil
}

func (f *planFlags) parseNames() (err error) {
	f.names, err = f.namesFile.read(f.match)
	return err
}

func (f *planFlags) parseMapping() error {
	f.maps.StripPrefix, f.maps.AddPrefix = f.stripPrefix, f.addPrefix
	for _, r := range f.replace {
		parsed, err := migrate.ParseReplacement(r)
		if err != nil {
			return usagef("--replace: %v", err)
		}
		f.maps.Replace = append(f.maps.Replace, parsed)
	}
	if f.rename == "" {
		return nil
	}
	var err error
	f.maps.Rename, err = readRenames(f.rename)
	return err
}

// planReport is the answer to programs.
type planReport struct {
	File     string                `json:"file"`
	Digest   string                `json:"sha256"`
	From     string                `json:"from"`
	To       string                `json:"to"`
	Run      string                `json:"run"`
	Count    int                   `json:"count"`
	Act      int                   `json:"act"`
	Stay     int                   `json:"stay"`
	Classes  map[migrate.Class]int `json:"classes"`
	Requests int64                 `json:"requests"`
	Seconds  int64                 `json:"seconds"`
	LeftOut  []string              `json:"left_out,omitempty"`
	Staying  []stayView            `json:"staying,omitempty"`
}

type stayView struct {
	Name  string        `json:"name"`
	Class migrate.Class `json:"class"`
	Why   string        `json:"why"`
}

func (a *app) migratePlan(ctx context.Context, f *planFlags) (err error) {
	run := uuid.NewString()
	m, err := a.openMove(ctx, f.store, f.to, "plan", run, &f.paceFlags)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if f.rules.OnLoss == "" {
		f.rules.OnLoss = gateway.LossFail
		if s := gateway.OnLoss(m.to.store.OnLoss); s != "" {
			f.rules.OnLoss = s
		}
	}
	keys, err := a.keyring(ctx, m.from.cfg)
	if err != nil {
		return err
	}
	k, wrapped, err := newRunKey(f.runKey, keys)
	if err != nil {
		return err
	}
	planner := a.planner(m, f, k)
	planner.Header = migrate.Header{
		Gateway: gatewayID(m.from.cfg, keys), Run: run, Made: a.now().UTC().Truncate(time.Millisecond),
		From: f.store, FromProduct: m.from.productWord(), To: f.to, ToProduct: m.to.productWord(),
		Match: f.match, Named: f.names != nil, Rules: f.rules, RunKey: wrapped,
	}
	far := newProgress(a.now, 0, &m.source, &m.target)
	planner.Total = func(n int) { far.total.Store(int64(n)) }
	planner.Unmet = func(names []secret.Name) {
		a.complain(fmt.Sprintf("--rename: %s names %s that this plan does not have: %s", f.rename, secrets(len(names)), firstNames(names)))
	}
	var report *planReport
	err = a.whileShown(far, func() (err error) {
		report, err = a.writePlan(ctx, planner, far, f)
		return err
	})
	var collide *migrate.CollisionError
	switch {
	case errors.As(err, &collide):
		return usagef("%v; --rename gives one of them another name", collide)
	case errors.Is(err, os.ErrExist):
		return usagef("%s exists already; --force replaces it", f.outputFile)
	case err != nil:
		return err
	}
	for _, said := range report.LeftOut {
		a.complain("store " + f.store + ": the list is not whole: " + said)
	}
	return errors.Join(a.answer(report, report.text), f.errors.write(), exitIfAny(report.Stay+len(report.LeftOut)))
}

func (a *app) planner(m *move, f *planFlags, k inventory.Key) *migrate.Planner {
	folds := m.source.FoldsCase
	return &migrate.Planner{
		From: m.source, To: m.target, Key: k, Mapping: f.maps, Names: f.names,
		Takes:   func(n secret.Name) bool { return matchesAny(f.match, string(n), folds) },
		Readers: f.concurrency, Ends: endsAll, Now: a.now,
	}
}

func (a *app) writePlan(ctx context.Context, p *migrate.Planner, far *progress, f *planFlags) (*planReport, error) {
	report := &planReport{File: f.outputFile, From: p.Header.From, To: p.Header.To, Run: p.Header.Run}
	sum := sha256.New()
	err := writeWhole(f.outputFile, f.force, func(file *os.File) error {
		w := bufio.NewWriter(io.MultiWriter(file, sum))
		end, err := p.Make(ctx, w, func(e *migrate.Entry) error {
			stays := e.Stays(p.Header.Rules)
			if far.step(stays); stays {
				report.Staying = append(report.Staying, stayView{string(e.Name), e.Class, e.Why})
				f.errors.add(e.Name)
			}
			return nil
		})
		if err != nil {
			return err
		}
		report.Count, report.Act, report.Stay, report.Classes = end.Count, end.Act, end.Stay, end.Classes
		report.Requests, report.Seconds, report.LeftOut = end.Requests, end.Seconds, end.LeftOut
		return w.Flush()
	})
	report.Digest = hex.EncodeToString(sum.Sum(nil))
	return report, err
}

// firstNames lists names for people, the first few of them.
func firstNames(names []secret.Name) string {
	const shown = 10
	var said []string
	for _, n := range names[:min(shown, len(names))] {
		said = append(said, strconv.Quote(string(n)))
	}
	more := ""
	if n := len(names) - shown; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	return strings.Join(said, ", ") + more
}

func (r *planReport) text(w io.Writer) error {
	var b strings.Builder
	for _, s := range r.Staying {
		fmt.Fprintf(&b, "stays: %s: %s: %s\n", printable(s.Name), s.Class, printable(s.Why))
	}
	fmt.Fprintf(&b, "%s: %s of %s, %d to be written to %s\n", r.File, secrets(r.Count), r.From, r.Act, r.To)
	classLines(&b, r.Classes)
	if r.Requests > 0 {
		fmt.Fprintf(&b, "about %d requests, %s\n", r.Requests, time.Duration(r.Seconds)*time.Second)
	}
	fmt.Fprintf(&b, "sha256 %s\n", r.Digest)
	_, err := io.WriteString(w, b.String())
	return err
}

func classLines(b *strings.Builder, classes map[migrate.Class]int) {
	for _, c := range migrate.Classes() {
		if n := classes[c]; n > 0 {
			fmt.Fprintf(b, "  %-10s  %d\n", c, n)
		}
	}
}
