package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/snapshot"
)

type snapshotForgetFlags struct {
	*repositoryFlags
	writeFlags
	policy snapshot.Policy
	labels []string
}

func (a *app) snapshotForgetCommand(repo *repositoryFlags) *cobra.Command {
	f := snapshotForgetFlags{repositoryFlags: repo}
	cmd := &cobra.Command{
		Use: "forget [ID...] --repo DIR", Short: "Keep some snapshots, and forget the rest",
		Long: `Of each store of each gateway, keeps the snapshots that any of the flags picks,
and forgets the others, or of those with --label, as the last one of each day. The
newest whole snapshot of each store is always kept, and the newest that lacks no
more than was accepted. With IDs it forgets these alone, also those that are
missing or damaged.

What is forgotten leaves a signed line. Its documents stay until "snapshot prune".`,
		Example: `  vaultferry snapshot forget --repo /backup/vaults --keep-daily 7 --keep-weekly 5 --keep-monthly 12
  vaultferry snapshot forget 3f1c02aa9b7e --repo /backup/vaults`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.snapshotForget(cmd.Context(), args, &f) },
	}
	cmd.Flags().IntVar(&f.policy.Last, "keep-last", 0, "keep the last N")
	cmd.Flags().IntVar(&f.policy.Daily, "keep-daily", 0, "keep the last one of each of the last N days that have any")
	cmd.Flags().IntVar(&f.policy.Weekly, "keep-weekly", 0, "the same, by weeks")
	cmd.Flags().IntVar(&f.policy.Monthly, "keep-monthly", 0, "the same, by months")
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "only snapshots with this label, KEY=VALUE; may be given several times")
	f.flags(cmd)
	return cmd
}

// forgetView is what becomes of one snapshot, for programs.
type forgetView struct {
	Snapshot string    `json:"snapshot"`
	Store    string    `json:"store,omitempty"`
	Gateway  string    `json:"gateway,omitempty"`
	Begun    time.Time `json:"begun,omitzero"`
	Result   string    `json:"result"` // kept, forgotten, would or declined
	Why      []string  `json:"why,omitempty"`
}

func (a *app) snapshotForget(ctx context.Context, ids []string, f *snapshotForgetFlags) error {
	p := f.policy
	switch {
	case len(ids) == 0 && p.IsZero():
		return usagef("say what to keep (--keep-last, --keep-daily, --keep-weekly, --keep-monthly), or name what to forget")
	case len(ids) > 0 && (!p.IsZero() || len(f.labels) > 0):
		return usagef("--keep-... and --label are for who names no snapshot")
	case p.Last < 0 || p.Daily < 0 || p.Weekly < 0 || p.Monthly < 0:
		return usagef("--keep-... is a number of snapshots")
	}
	if err := f.requireTerminal(a); err != nil {
		return err
	}
	labels, err := parsePairs("--label", f.labels)
	if err != nil {
		return err
	}
	r, err := f.open(ctx, a)
	if err != nil {
		return err
	}
	var h *snapshot.History
	views := []forgetView{}
	err = a.locked(ctx, r, "snapshot.forget", func(ctx context.Context, lock *snapshot.Lock) error {
		if h, err = a.history(r); err != nil {
			return err
		}
		if len(ids) > 0 { // also what nobody but the audit misses
			made, err := a.expected(f.repositoryFlags, r)
			if err != nil {
				return err
			}
			h.Expect(made)
		}
		gone, kept, err := toForget(h, ids, p, labels)
		if err != nil {
			return err
		}
		views = append(views, kept...)
		for _, s := range gone {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			v, err := a.forgetOne(ctx, r, lock, h, s, f)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		return nil
	})
	return errors.Join(err, a.print(views, func(w io.Writer) error {
		for _, v := range views {
			line := fmt.Sprintf("%s %s of %s", v.Result, shortID(v.Snapshot), storeAt(h, v.Gateway, v.Store))
			if len(v.Why) > 0 {
				line += " (" + strings.Join(v.Why, ", ") + ")"
			}
			if _, err := fmt.Fprintln(w, line); err != nil {
				return err
			}
		}
		return nil
	}))
}

// toForget picks the snapshots, by name or by what the policy does not keep.
func toForget(h *snapshot.History, ids []string, p snapshot.Policy, labels map[string]string) (all []*snapshot.Snapshot, kept []forgetView, err error) {
	for _, id := range ids {
		s := h.Lost(id)
		if s == nil {
			if s, err = h.Find(id); err != nil {
				return nil, nil, err
			}
		}
		all = append(all, s)
	}
	if len(ids) > 0 {
		return all, nil, nil
	}
	var considered []*snapshot.Snapshot
	for _, s := range h.Kept {
		if labelled(s, labels) {
			considered = append(considered, s)
		}
	}
	why := p.Keep(considered)
	for _, s := range considered {
		if why[s.ID] == nil {
			all = append(all, s)
		} else {
			kept = append(kept, forgetView{s.ID, s.Store, s.Gateway, s.Begun, "kept", why[s.ID]})
		}
	}
	return all, kept, nil
}

func (a *app) forgetOne(ctx context.Context, r *snapshot.Repository, lock *snapshot.Lock, h *snapshot.History, s *snapshot.Snapshot, f *snapshotForgetFlags) (forgetView, error) {
	v := forgetView{Snapshot: s.ID, Store: s.Store, Gateway: s.Gateway, Begun: s.Begun, Result: "forgotten"}
	if f.dryRun {
		v.Result = "would"
		return v, nil
	}
	switch err := f.approve(ctx, a, fmt.Sprintf("forget snapshot %s of %s?", shortID(s.ID), storeAt(h, s.Gateway, s.Store))); {
	case errors.Is(err, errDeclined):
		v.Result = "declined"
		return v, nil
	case err != nil:
		return v, err
	}
	if err := r.Forget(lock, a.call("snapshot.forget").Caller.ID, s); err != nil {
		return v, err
	}
	e := a.auditEntry("cli.snapshot.forgotten")
	e.Store, e.Digest, e.Key = s.Store, s.ID, r.ID()
	return v, a.changedRepository(f.repo, e)
}

func (a *app) snapshotPruneCommand(repo *repositoryFlags) *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use: "prune --repo DIR", Short: "Remove documents that no snapshot names",
		Long: `Removes documents that no snapshot names, and what a command that was killed left
behind, once they are 24 hours old. It removes nothing while a snapshot is missing
or cannot be read: copy it back, or give it up with "snapshot forget ID". The audit
of this configuration is asked which ones there must be.`,
		Example: `  vaultferry snapshot prune --repo /backup/vaults --dry-run`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			r, err := repo.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			if !w.dryRun {
				if err := w.approve(cmd.Context(), a, "remove what no snapshot of "+repo.repo+" names?"); err != nil {
					return err
				}
			}
			return a.locked(cmd.Context(), r, "snapshot.prune", func(ctx context.Context, lock *snapshot.Lock) error {
				made, err := a.expected(repo, r)
				if err != nil {
					return err
				}
				p, err := r.Prune(ctx, lock, snapshot.PruneOptions{DryRun: w.dryRun, Expect: made})
				if err != nil {
					return err
				}
				return a.print(p, func(out io.Writer) error {
					did := "removed"
					if w.dryRun {
						did = "would remove"
					}
					_, err := fmt.Fprintf(out, "%s %s of %d bytes, and %s; %d are younger than 24 hours\n", did, many(p.Documents, "document"), p.Bytes, many(p.Work+p.Snapshots, "unfinished file"), p.Young)
					return err
				})
			})
		},
	}
	w.flags(cmd)
	return cmd
}
