package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/snapshot"
)

// opSnapshotCreated is the audit line of a snapshot.
const opSnapshotCreated = "cli.snapshot.created"

func (a *app) snapshotCheckCommand(f *repositoryFlags) *cobra.Command {
	var o snapshot.CheckOptions
	cmd := &cobra.Command{
		Use: "check --repo DIR", Short: "Find what is missing, changed or swapped",
		Long: `Reads every file and names each that is missing, was changed or is another's. That
needs no key that opens: a keyring of public halves ("keys public --signing") is
enough. --read-data opens every document, too.

The newest snapshot is missed by nobody but who knows of it: the audit of this
configuration is asked, and --expect names one that must be there.`,
		Example: `  vaultferry snapshot check --repo /backup/vaults
  vaultferry snapshot check --repo /backup/vaults --read-data --expect 3f1c02aa9b7e
  vaultferry snapshot check --repo /mnt/copy --keyring audit-keys.json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.snapshotCheck(cmd.Context(), f, o) },
	}
	cmd.Flags().BoolVar(&o.ReadData, "read-data", false, "open every document")
	cmd.Flags().StringArrayVar(&o.Expect, "expect", nil, "a snapshot that must be there; may be given several times")
	return cmd
}

func (a *app) snapshotCheck(ctx context.Context, f *repositoryFlags, o snapshot.CheckOptions) error {
	r, err := f.open(ctx, a)
	if err != nil {
		return err
	}
	made, err := a.expected(f, r)
	if err != nil {
		return err
	}
	o.Expect = append(o.Expect, made...)
	c, err := r.Check(ctx, o)
	if err != nil {
		return err
	}
	for _, d := range c.Damage {
		a.complain(d.File + ": " + d.What)
	}
	err = a.print(c, func(w io.Writer) error {
		read := "read"
		if o.ReadData {
			read = "opened"
		}
		said := "all is as it was written"
		if n := len(c.Damage); n > 0 {
			said = fmt.Sprintf("%d damaged", n)
		}
		_, err := fmt.Fprintf(w, "%s, %s %s, %d unused: %s\n", many(c.Snapshots, "snapshot"), many(c.Documents, "document"), read, c.Unused, said)
		return err
	})
	if err != nil {
		return err
	}
	return exitIfAny(len(c.Damage))
}

// expected are the snapshots that must be there by the audit of the configuration;
// where a keyring is named instead, there is none to ask.
func (a *app) expected(f *repositoryFlags, r *snapshot.Repository) ([]string, error) {
	if f.keyring != "" {
		return nil, nil
	}
	return a.snapshotsInAudit(r.ID())
}

// snapshotsInAudit are those of the repository that the audit tells of.
func (a *app) snapshotsInAudit(repository string) ([]string, error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, err
	}
	files, err := audit.Files(cfg.Audit.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	err = audit.Scan(files, func(l audit.Line) error {
		if !bytes.Contains(l.Raw, []byte(opSnapshotCreated)) {
			return nil
		}
		if e, err := audit.Parse(l.Raw); err == nil && e.Op == opSnapshotCreated && e.Key == repository {
			ids = append(ids, e.Digest)
		}
		return nil
	})
	return ids, err
}
