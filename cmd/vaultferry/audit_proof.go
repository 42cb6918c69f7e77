package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

// maxProofFile bounds what is read as a proof: lines of earlier releases had no
// bound.
const maxProofFile = 16 << 20

func (a *app) auditProofCommand() *cobra.Command {
	var kept, file, check, keys string
	var force bool
	cmd := &cobra.Command{
		Use:   "proof LINE [FILE...]",
		Short: "Prove that one line is in the audit, to somebody who has no more of it",
		Long: `LINE is the number ("seq") of a line. The proof is the line itself and less than
2 KB more: the hashes between it and a signed checkpoint, in the format
c2sp.org/tlog-proof@v1. A leaf of the tree is the SHA-256 of a line. --checkpoint
proves it under one that was kept, which must be younger than the line.

--check verifies such a proof with the public keys of the gateway, and prints the
line. It needs nothing else of the audit.`,
		Example: `  vaultferry audit proof 1234 --output-file line.proof
  vaultferry audit proof --check line.proof --public-key audit-keys.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if check != "" {
				if err := arguments()(cmd, args); err != nil {
					return err
				}
				return a.checkProof(cmd.Context(), check, keys)
			}
			if err := atLeast("LINE")(cmd, args); err != nil {
				return err
			}
			seq, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usagef("LINE is a number, as audit query shows it, not %q", args[0])
			}
			return a.makeProof(seq, args[1:], kept, file, force)
		},
	}
	cmd.Flags().StringVar(&kept, "checkpoint", "", "prove it under this checkpoint")
	cmd.Flags().StringVar(&file, "output-file", "", "write a file of mode 0600")
	cmd.Flags().BoolVar(&force, "force", false, "replace an existing file")
	cmd.Flags().StringVar(&check, "check", "", "check the proof in this file")
	cmd.Flags().StringVar(&keys, "public-key", "", "the keys that sign checkpoints (with --check)")
	return cmd
}

func (a *app) makeProof(seq uint64, named []string, kept, file string, force bool) error {
	var under *audit.Signed
	if kept != "" {
		var err error
		if under, err = readCheckpoint(kept); err != nil {
			return err
		}
	}
	files, err := a.auditFiles(named)
	if err != nil {
		return err
	}
	p, err := audit.Prove(files, seq, under)
	if err != nil {
		return fmt.Errorf("line %d: %w", seq, err)
	}
	if file != "" {
		return writeFile(file, p.Text(), force)
	}
	return a.print(map[string]string{"proof": string(p.Text())}, func(w io.Writer) error {
		_, err := w.Write(p.Text())
		return err
	})
}

// proofView is a proof that was checked.
type proofView struct {
	Line       string `json:"line"`
	Number     uint64 `json:"number"`
	Checkpoint string `json:"checkpoint"`
	Lines      int64  `json:"lines"` // under the checkpoint
}

func (a *app) checkProof(ctx context.Context, file, keyFile string) error {
	keys, err := a.auditKeys(ctx, keyFile)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return usagef("--public-key is missing")
	}
	text, err := readSome(file, maxProofFile)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	p, err := audit.ParseProof(text)
	if err != nil {
		return usagef("%s: %s", file, err)
	}
	if err := p.Check(keys); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	e, err := audit.Parse(p.Line)
	v := proofView{Line: string(p.Line), Checkpoint: p.Checkpoint.Origin, Lines: p.Checkpoint.Size}
	if err == nil { // a line that was cut short can be proved, too
		v.Number = e.Seq
	}
	return a.print(v, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\nproved: it is line %d of the first %d lines of %s\n", printableText(v.Line), p.Index+1, v.Lines, v.Checkpoint)
		return err
	})
}
