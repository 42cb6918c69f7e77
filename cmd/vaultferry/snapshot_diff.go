package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

func (a *app) snapshotDiffCommand(repo *repositoryFlags) *cobra.Command {
	var match []string
	cmd := &cobra.Command{
		Use: "diff A B --repo DIR", Short: "Compare two snapshots, or one with a store, without values",
		Long: `Compares A with B, each the id of a snapshot or a store of the configuration, which
is read as it is now. Signs and exit codes are those of "vaultferry diff". Beside a
snapshot that was taken of some names, a store is read for these.`,
		Example: `  vaultferry snapshot diff 3f1c02aa9b7e payments --repo /backup/vaults
  vaultferry snapshot diff 3f1c02aa9b7e 9b07c15d33e2 --repo /backup/vaults --match 'team-a/*'`,
		Args: arguments("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := repo.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			return a.snapshotDiff(cmd.Context(), r, args, &diffFlags{planUse: planUse{paceFlags: paceFlags{concurrency: inventoryReaders}}, selection: selection{match: match}})
		},
	}
	cmd.Flags().StringArrayVar(&match, "match", nil, "secrets whose names match: * is any run of characters, ? any one; may be given several times")
	a.timeoutFlag(cmd)
	return cmd
}

// comparand is one of the two that are compared: a snapshot or a store.
type comparand struct {
	snapshot *snapshot.Snapshot // nil: a store
	operand
}

func (s *comparand) lacking() []inventory.LeftOut {
	if s.snapshot != nil {
		return s.snapshot.End.LeftOut
	}
	return s.operand.lacking()
}

// comparandOf takes the word for a store, else for a snapshot.
func comparandOf(cfg *config.Config, h *snapshot.History, word string) (*comparand, error) {
	_, isStore := cfg.Store(word)
	s, err := h.Find(word)
	switch {
	case isStore && err == nil:
		return nil, usagef("%q is a store, and how a snapshot's id begins: write more of that", word)
	case isStore:
		return &comparand{operand: operand{store: word}}, nil
	case errors.Is(err, secret.NotFound):
		return nil, usagef("there is no store and no snapshot %q", word)
	}
	return &comparand{snapshot: s}, err
}

func (a *app) snapshotDiff(ctx context.Context, r *snapshot.Repository, words []string, f *diffFlags) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg, err := a.loadUnresolved()
	if err != nil {
		return err
	}
	key, _, err := r.Key()
	if err != nil {
		return err
	}
	h, err := a.history(r)
	if err != nil {
		return err
	}
	var sides [2]*comparand
	for i, word := range words {
		if sides[i], err = comparandOf(cfg, h, word); err != nil {
			return err
		}
	}
	same, err := narrowSides(r, sides, f)
	if err != nil {
		return err
	}
	report := diffReport{Counts: map[string]int{}, Differ: []diffView{}}
	if err := a.compareSides(ctx, cancel, r, sides, snapshotStreams{key: key, run: inventory.NewKey(), same: same}, f, &report); err != nil {
		return err
	}
	for _, s := range sides {
		report.LeftOut = append(report.LeftOut, s.lacking()...)
	}
	return errors.Join(a.print(report, report.text), report.exit())
}

// narrowSides asks a store for what the snapshot beside it was asked for. Of two
// snapshots it finds what need not be opened.
func narrowSides(r *snapshot.Repository, sides [2]*comparand, f *diffFlags) (map[secret.Name]bool, error) {
	if sides[0].snapshot != nil && sides[1].snapshot != nil {
		return r.Same(sides[0].snapshot, sides[1].snapshot)
	}
	for _, s := range sides {
		if s.snapshot != nil && len(f.match) == 0 {
			f.match = s.snapshot.Match
		}
	}
	return nil, nil
}

type snapshotStreams struct {
	key  *backup.RepositoryKey
	run  inventory.Key
	same map[secret.Name]bool
}

func (a *app) compareSides(ctx context.Context, cancel func(), r *snapshot.Repository, sides [2]*comparand, o snapshotStreams, f *diffFlags, report *diffReport) error {
	var streams [2]inventory.Stream
	var done []func() error
	end := func(err error) error {
		cancel()
		for _, wait := range done {
			err = errors.Join(err, wait())
		}
		return err
	}
	for i, s := range sides {
		if s.snapshot == nil {
			stream, wait, err := a.stream(ctx, &s.operand, o.run, f)
			if err != nil {
				return end(err)
			}
			streams[i], done = stream, append(done, wait)
			continue
		}
		stream, wait := r.Stream(ctx, s.snapshot, snapshot.Streamed{
			Key: o.key, RunKey: o.run, Same: o.same, Takes: func(name secret.Name) bool { return matchesAny(f.match, string(name), false) },
		})
		streams[i], done = stream, append(done, func() error { wait(); return nil })
	}
	return end(inventory.Merge(streams[0], streams[1], func(d inventory.Difference) error { return report.add(io.Discard, d) }))
}
