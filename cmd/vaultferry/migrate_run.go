package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

type runFlags struct {
	planUse
	expect string
	errors errorFile
	given  *pflag.FlagSet // of the command line
}

func (a *app) migrateRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run PLAN",
		Short: "Do what a plan says",
		Long: `Does what the plan says and nothing else, and keeps a journal in PLAN.journal.
The same command again goes on where a run ended, however it ended: nothing is
written twice, and nothing is left out. A second run of the plan at the same
time is refused.

A secret that is not what the plan saw any more is skipped and named. What
stands at the target is never changed or removed. After Ctrl-C what has begun is
finished, and the last line is the command that goes on; a second Ctrl-C ends the
program at once.

It asks each product for no more than --rate, and for less while that refuses
requests. A terminal shows how far it is; --output json writes an event each
second, and the answer last.

--expect is the SHA-256 of the plan that somebody approved, as "plan" and
sha256sum print it.

Exit codes: 0 all is done, 1 some failed or were skipped, 2 nothing was tried, 4
a product does not take the store's credential any more, 130 interrupted.`,
		Example: `  vaultferry migrate run move.plan
  vaultferry migrate run move.plan --rate 50/s --expect 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: arguments("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.given = cmd.Flags()
			return a.migrateRun(cmd.Context(), args[0], &f)
		},
	}
	cmd.Flags().StringVar(&f.expect, "expect", "", "refuse any plan but the one with this SHA-256")
	f.errors.flags(cmd)
	f.flags(cmd)
	return cmd
}

// runReport is the answer to programs.
type runReport struct {
	File     string `json:"file"`
	Run      string `json:"run"`
	Planned  int    `json:"planned"`
	Done     int    `json:"done"`
	Before   int    `json:"done_before"` // by runs before this one
	Skipped  int    `json:"skipped"`
	Failed   int    `json:"failed"`
	Untried  int    `json:"not_tried"`
	Stay     int    `json:"stay"` // what the plan leaves where it is
	Requests int64  `json:"requests"`
	Refused  int64  `json:"requests_refused"`
	// Errors are of what was skipped or failed.
	Errors []runErrorView `json:"errors"`
}

type runErrorView struct {
	Name   string       `json:"name"`
	Result migrate.Step `json:"result"`
	Error  string       `json:"error"`
}

func (v *runErrorView) line() string {
	return fmt.Sprintf("%s: %s: %s", printable(v.Name), v.Result, v.Error)
}

func (a *app) migrateRun(ctx context.Context, path string, f *runFlags) error {
	return a.withPlan(ctx, path, &f.planUse, func(p *planFile) (err error) {
		if f.expect != "" && !strings.EqualFold(f.expect, p.digest) {
			return usagef("%s has the SHA-256 %s, and %s is expected: it is another plan; nothing was done", path, p.digest, f.expect)
		}
		journal, err := migrate.OpenJournal(path+".journal", p.key, p.digest, a.now)
		if err != nil {
			advice := ""
			if errors.Is(err, secret.Corrupt) {
				advice = "; put the journal back as the run left it, or plan again"
			}
			return &exitError{exitUsage, fmt.Errorf("%s.journal: %s; nothing was done%s", path, message(secret.WithoutPath(err)), advice)}
		}
		defer func() {
			if err != nil && ctx.Err() != nil { // wherever it was
				a.complain("to go on: " + f.resume(path))
			}
			err = errors.Join(err, journal.Close())
		}()
		return a.withStores(ctx, p, "run", &f.planUse, func(m *move) error {
			if err := m.to.requireLasting(false); err != nil {
				return err
			}
			about := map[string]string{"vaultferry.from": m.source.Store, "vaultferry.to": m.target.Store}
			return a.traced(ctx, p.cfg, m.source.Call, about, func(ctx context.Context) error { return a.runPlan(ctx, p, m, journal, f) })
		})
	})
}

func (a *app) runPlan(ctx context.Context, p *planFile, m *move, journal *migrate.Journal, f *runFlags) error {
	report := &runReport{File: p.path, Run: p.Header.Run, Planned: p.End.Act, Stay: p.End.Stay, Errors: []runErrorView{}}
	var failed failures
	far := newProgress(a.now, p.End.Act, &m.source, &m.target)
	run := &migrate.Run{
		From: m.source, To: m.target, Rules: p.Header.Rules, Key: p.key, Journal: journal,
		Archive: archive.Dir(m.to.cfg.Archive.Dir), Workers: f.concurrency, Finish: max(a.timeout, migrate.DefaultFinish),
		Tell: func(r migrate.Result) error {
			far.step(r.Err != nil)
			report.add(a, r)
			if r.Err != nil {
				failed.add(r.Err)
				f.errors.add(r.Entry.Name)
			}
			return nil
		},
	}
	if run.Archive == "" {
		run.Archive = archive.Dir(filepath.Dir(p.path))
	}
	err := a.whileShown(far, func() error { return run.Do(ctx, p.entries) })
	report.Untried = report.Planned - report.Done - report.Before - report.Skipped - report.Failed
	report.Requests = m.source.Pace.Requests() + m.target.Pace.Requests()
	report.Refused = m.source.Pace.Refusals() + m.target.Pace.Refusals()
	if err == nil {
		err = journal.Write(migrate.Line{Step: migrate.Closed})
	}
	failed.dead = failed.dead || err != nil && isDead(err)
	failed.untried = report.Untried
	failed.complain(a)
	if e := errors.Join(a.answer(report, report.text), f.errors.write()); e != nil {
		return e
	}
	switch {
	case ctx.Err() != nil && err != nil:
		return err
	case failed.dead:
		a.complain("to go on, with a new credential: " + f.resume(p.path))
		return failed.exit()
	case err != nil:
		return fmt.Errorf("%w; to go on: %s", err, f.resume(p.path))
	}
	return failed.exit()
}

// resume is the command that goes on, for a shell: all flags that were given stand in
// it.
func (f *runFlags) resume(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path // no flag
	}
	words := []string{"vaultferry", "migrate", "run", shellWord(path)}
	f.given.Visit(func(flag *pflag.Flag) {
		words = append(words, "--"+flag.Name, shellWord(flag.Value.String()))
	})
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWord is one word of a command for a POSIX shell.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (r *runReport) add(a *app, res migrate.Result) {
	name := string(res.Entry.Name)
	switch {
	case res.Before:
		r.Before++
	case res.Err == nil:
		r.Done++
		return
	case res.Step == migrate.Skipped:
		r.Skipped++
	default:
		r.Failed++
	}
	if res.Err != nil {
		v := runErrorView{name, res.Step, message(res.Err)}
		r.Errors = append(r.Errors, v)
		a.complain(v.line())
	}
}

func (r *runReport) text(w io.Writer) error {
	line := fmt.Sprintf("%s: %s of %d planned\n%s", r.File, countWords(
		counted{r.Done, "moved"}, counted{r.Before, "moved before"}, counted{r.Skipped, "skipped"}, counted{r.Failed, "failed"}, counted{r.Untried, notTried},
	), r.Planned, stayLine(r.Stay))
	if r.Requests > 0 {
		line += fmt.Sprintf("%d requests, %d of them refused for now\n", r.Requests, r.Refused)
	}
	_, err := io.WriteString(w, line)
	return err
}

type counted struct {
	n    int
	what string
}

// countWords lists the first, and of the others those of which there are any.
func countWords(first counted, rest ...counted) string {
	s := fmt.Sprintf("%d %s", first.n, first.what)
	for _, c := range rest {
		if c.n > 0 {
			s += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	return s
}

// stayLine says how many the plan leaves where they are.
func stayLine(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("the plan leaves %d where they are\n", n)
}
