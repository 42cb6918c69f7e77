package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate/report"
)

type cosignFlags struct {
	inventory string
	keys      []string
	writeFlags
}

func (a *app) reportCosignCommand() *cobra.Command {
	var f cosignFlags
	cmd := &cobra.Command{
		Use:   "cosign REPORT --inventory FILE",
		Short: "Add one's own signature to a report, if one's own inventory stands in it",
		Long: `Signs the same statement with the key of the configuration's keyring that signs,
and writes the report with both signatures in the place of the one it had.

FILE is the inventory that this gateway made of its store. The report is refused
unless that inventory's root stands in it, with its file's digest and all else
that it says of the store. The signature says that much, and nothing of the other
side's store. --public-key wants a good signature of the other side first.`,
		Example: `  vaultferry report cosign move.report --inventory target.inventory --public-key source-keys.json
  vaultferry report cosign move.report --inventory target.inventory --dry-run`,
		Args: arguments("REPORT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.inventory == "" {
				return usagef("--inventory FILE is missing")
			}
			if err := f.requireTerminal(a); err != nil {
				return err
			}
			return a.reportCosign(cmd.Context(), args[0], &f)
		},
	}
	cmd.Flags().StringVar(&f.inventory, "inventory", "", "the inventory that this gateway made of its own store")
	cmd.Flags().StringArrayVar(&f.keys, "public-key", nil, "the other side's public keys; may be given several times")
	f.flags(cmd)
	return cmd
}

func (a *app) reportCosign(ctx context.Context, file string, f *cosignFlags) error {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return err
	}
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return err
	}
	r, err := readReport(file)
	if err != nil {
		return err
	}
	if len(f.keys) > 0 {
		_, parties, err := a.parties(ctx, f.keys)
		if err != nil {
			return err
		}
		if _, err := r.Verify(parties...); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	prove := func(jws string) ([]byte, error) { return backup.Prove(keys.SigningKeys(), inventory.Type, jws) }
	in, err := openInventory(f.inventory, prove)
	if err != nil {
		return err
	}
	defer func() { _ = in.close() }() // only read
	if _, err := in.index(); err != nil {
		return err
	}
	mine := report.StoreOf(f.inventory, in.Reader)
	before := r.KeyIDs()
	side, err := r.Cosign(keys, mine, in.digest())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := f.approve(ctx, a, "sign "+file+"?"); err != nil {
		return err
	}
	v := cosignView{Report: file, Side: string(side), Store: mine.Store, Key: r.KeyIDs()[len(before)], Others: before, Verified: len(f.keys) > 0, DryRun: f.dryRun}
	if !f.dryRun {
		if err := a.writeCosigned(file, v.Key, r); err != nil {
			return err
		}
	}
	return a.print(v, v.text)
}

// writeCosigned replaces the report, between two lines of the audit.
func (a *app) writeCosigned(file, key string, r *report.Report) error {
	b, err := r.Encode()
	if err != nil {
		return err
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	cfg, _, err := a.load()
	if err != nil {
		return err
	}
	return a.between(cfg, "cli.report.cosign", path, func(e *audit.Entry) error {
		e.Key, e.Digest = key, hex.EncodeToString(sum[:])
		return writeFile(file, b, true)
	})
}

type cosignView struct {
	Report string   `json:"report"`
	Side   string   `json:"side"` // on which one's own store is
	Store  string   `json:"store"`
	Key    string   `json:"key"`
	Others []string `json:"others"` // keys that are said to have signed before
	// Verified: a signature of each of the other sides was.
	Verified bool `json:"verified"`
	DryRun   bool `json:"dry_run,omitempty"`
}

func (v *cosignView) text(w io.Writer) error {
	word := "signed"
	if v.DryRun {
		word = "would be signed"
	}
	_, err := fmt.Fprintf(w, "%s: %s by %s, for its %s is the inventory of %s\n", printable(v.Report), word, v.Key, v.Side, printable(v.Store))
	if err == nil && !v.Verified {
		_, err = fmt.Fprintln(w, "the signatures before it were not verified: --public-key does that")
	}
	return err
}
