package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

func (a *app) auditVerifyCommand() *cobra.Command {
	var kept []string
	var keys string
	cmd := &cobra.Command{
		Use:   "verify [FILE...]",
		Short: "Find out whether the audit is as it was written",
		Long: `Checks that each line is chained to the one before, that the files follow one
another, and that every checkpoint is of the lines before it and signed. It names
the place where that is not so.

--checkpoint is one that was kept elsewhere. Without it nobody can tell whether
the end was cut, or all of it written anew behind the last signed checkpoint.
Without FILE the checkpoint beside the audit is used, too. FILE may be of several
gateways: each log is verified by itself. --public-key is a file
that "keys public --signing" wrote, or keys in PEM; the default is the
configuration's keyring.

Exit codes: 0 whole, 1 not whole, 2 wrong usage.`,
		Example: `  vaultferry audit verify
  vaultferry audit verify --checkpoint monday.checkpoint
  vaultferry audit verify audit-*.jsonl audit.jsonl --public-key audit-keys.json
  vaultferry audit verify gw1/audit*.jsonl gw2/audit*.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.auditVerify(cmd.Context(), args, kept, keys)
		},
	}
	cmd.Flags().StringArrayVar(&kept, "checkpoint", nil, "a checkpoint that was kept; may be repeated")
	cmd.Flags().StringVar(&keys, "public-key", "", "the keys that sign checkpoints")
	return cmd
}

// verifyView is a verification, for programs.
type verifyView struct {
	Whole bool     `json:"whole"`
	Files []string `json:"files"`
	*audit.Report
}

func (a *app) auditVerify(ctx context.Context, named, kept []string, keys string) error {
	var v audit.Verification
	var err error
	if v.Keys, err = a.auditKeys(ctx, keys); err != nil {
		return err
	}
	logs, err := a.auditLogs(named)
	if err != nil {
		return err
	}
	for _, file := range kept {
		s, err := readCheckpoint(file)
		if err != nil {
			return err
		}
		v.Kept = append(v.Kept, s)
	}
	if len(named) == 0 {
		files := logs[0]
		s, err := readCheckpoint(audit.CheckpointFile(files[len(files)-1]))
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return err
		default:
			v.Kept = append(v.Kept, s)
		}
	}
	views, err := verifyLogs(logs, v)
	if err != nil {
		return err
	}
	if len(views) == 1 {
		err = a.print(views[0], views[0].text)
	} else {
		all := &logsView{Whole: problemsOf(views) == 0, Logs: views}
		err = a.print(all, all.text)
	}
	if err != nil {
		return err
	}
	return exitIfAny(problemsOf(views))
}

// verifyLogs verifies each log by itself. A kept checkpoint is of the log whose name
// it has, or else of the first, which it does not fit.
func verifyLogs(logs [][]string, v audit.Verification) (views []*verifyView, err error) {
	kept := v.Kept
	views = make([]*verifyView, len(logs))
	for i := len(logs) - 1; i >= 0; i-- {
		one := v
		if one.Kept = kept; i > 0 {
			id, err := audit.LogOf(logs[i][0])
			if err != nil {
				return nil, err
			}
			one.Kept = slices.DeleteFunc(slices.Clone(kept), func(s *audit.Signed) bool { return s.Log != id })
			kept = slices.DeleteFunc(slices.Clone(kept), func(s *audit.Signed) bool { return s.Log == id })
		}
		report, err := audit.Verify(logs[i], one)
		if err != nil {
			return nil, err
		}
		views[i] = &verifyView{Whole: len(report.Problems) == 0, Files: logs[i], Report: report}
	}
	return views, nil
}

func problemsOf(views []*verifyView) (n int) {
	for _, v := range views {
		n += len(v.Problems)
	}
	return n
}

// logsView is the verification of several logs, for programs.
type logsView struct {
	Whole bool          `json:"whole"`
	Logs  []*verifyView `json:"logs"`
}

func (v *logsView) text(w io.Writer) error {
	for i, log := range v.Logs {
		if _, err := fmt.Fprintf(w, "log %s, %s:\n", orDash(log.Log), log.Files[0]); err != nil {
			return err
		}
		if err := log.text(w); err != nil {
			return err
		}
		if i < len(v.Logs)-1 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
	}
	return nil
}

func readCheckpoint(file string) (*audit.Signed, error) {
	text, err := readText(file, maxKeyFile)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	s, err := audit.ParseCheckpoint(string(text))
	if err != nil {
		return nil, usagef("%s: %s", file, err)
	}
	return s, nil
}

func (v *verifyView) text(w io.Writer) error {
	say := func(word string, f audit.Finding) error {
		place := ""
		if f.File != "" {
			place = fmt.Sprintf("%s:%d: ", f.File, f.Number)
		}
		_, err := fmt.Fprintf(w, "%-8s %s%s\n", word, place, f.What)
		return err
	}
	for _, f := range v.Notes {
		if err := say("note", f); err != nil {
			return err
		}
	}
	for _, f := range v.Problems {
		if err := say("PROBLEM", f); err != nil {
			return err
		}
	}
	word := "whole"
	if !v.Whole {
		word = "NOT WHOLE"
	}
	_, err := fmt.Fprintf(w, "%s: lines %d to %d in %d files; %s\nthe next line will hold chain %s\n", word, v.First, v.Last, len(v.Files), v.coverage(), v.Chain)
	return err
}

// coverage says how far checkpoints reach.
func (v *verifyView) coverage() string {
	switch {
	case v.Covered == 0:
		return "no checkpoint covers them"
	case !v.Signatures:
		return fmt.Sprintf("checkpoints cover the first %d, and no key was there to verify their signatures", v.Covered)
	}
	return fmt.Sprintf("signed checkpoints cover the first %d", v.Covered)
}
