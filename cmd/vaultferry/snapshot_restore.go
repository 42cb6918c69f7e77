package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

type snapshotRestoreFlags struct {
	*repositoryFlags
	writeFlags
	gatewayFlag
	to, from, at       string
	match              []string
	onConflict, onLoss string
}

func (a *app) snapshotRestoreCommand(repo *repositoryFlags) *cobra.Command {
	f := snapshotRestoreFlags{repositoryFlags: repo}
	cmd := &cobra.Command{
		Use: "restore [ID] --repo DIR --to STORE", Short: "Bring a store, a folder or one secret back",
		Long: `Restores the secrets of a snapshot into a store: of ID, or of the newest one that
was begun not after --at, or of the newest. Without ID, --from says of which store
the snapshot is: that of --to unless you say otherwise.

Where several gateways share the repository, it is this gateway's snapshot. If that
has none of the store, it is that of the only gateway that has, which is named; of
several, --gateway picks one.

--on-conflict decides where a secret is there already:

  fail      it is left as it is, and named; exit code 1
  skip      it is left as it is
  append    versions that it lacks are added
  rollback  the current value of that moment is added as a new version, if the
            current value is another; nothing else is touched

--on-loss decides, as for "restore", where the store cannot hold everything.`,
		Example: `  vaultferry snapshot restore --repo /backup/vaults --to payments
  vaultferry snapshot restore --repo /backup/vaults --to payments --at 2026-11-29T03:00:00Z --match 'team-a/*' --on-conflict rollback
  vaultferry snapshot restore 3f1c02aa9b7e --repo /backup/vaults --to cloud --dry-run`,
		Args: arguments("[ID]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(a, args); err != nil {
				return err
			}
			return a.snapshotRestore(cmd.Context(), strings.Join(args, ""), &f)
		},
	}
	cmd.Flags().StringVar(&f.to, "to", "", "the store to restore into")
	cmd.Flags().StringVar(&f.from, "from", "", "the store that the snapshot is of (default: --to, or the only one)")
	f.gatewayFlag.flags(cmd, "the gateway that the snapshot is of, by its id or how that begins (default: this one, or the only one)")
	cmd.Flags().StringVar(&f.at, "at", "", "a time such as 2026-11-30T12:00:00Z, a day, or how long ago, such as 24h")
	cmd.Flags().StringArrayVar(&f.match, "match", nil, "secrets whose names match: * is any run of characters, ? any one; may be given several times")
	cmd.Flags().StringVar(&f.onConflict, "on-conflict", "fail", "where the name is taken: fail, skip, append or rollback")
	cmd.Flags().StringVar(&f.onLoss, "on-loss", "", "where the store cannot hold everything: fail, accept, trim-oldest or archive (default: the store's on_loss, else fail)")
	f.writeFlags.flags(cmd)
	a.timeoutFlag(cmd)
	return cmd
}

func (f *snapshotRestoreFlags) check(a *app, args []string) error {
	switch {
	case f.to == "":
		return usagef("--to STORE is missing")
	case len(args) > 0 && f.at+f.from+f.gateway != "":
		return usagef("a snapshot has its time, its store and its gateway: --at, --from and --gateway are for who names none")
	case !slices.Contains([]string{"fail", "skip", "append", "rollback"}, f.onConflict):
		return usagef("--on-conflict is fail, skip, append or rollback, not %q", f.onConflict)
	case f.onLoss != "" && !slices.Contains(gateway.OnLosses(), gateway.OnLoss(f.onLoss)):
		return usagef("--on-loss is fail, accept, trim-oldest or archive, not %q", f.onLoss)
	}
	return f.requireTerminal(a)
}

// chosen is the snapshot to restore.
func (a *app) chosen(ctx context.Context, h *snapshot.History, id string, f *snapshotRestoreFlags) (*snapshot.Snapshot, error) {
	if id != "" {
		return h.Find(id)
	}
	at, err := auditTime("at", f.at, a.now())
	if err != nil {
		return nil, err
	}
	own, err := a.ownGateway(ctx)
	if err != nil {
		return nil, err
	}
	if h, err = f.narrow(h); err != nil {
		return nil, err
	}
	from, stores := f.from, h.Stores()
	switch {
	case from != "":
	case slices.Contains(stores, f.to):
		from = f.to
	case len(stores) == 1:
		from = stores[0]
	case len(stores) > 1:
		return nil, usagef("of which store? --from is %s", strings.Join(stores, " or "))
	}
	s, err := newestAt(h, own, from, at)
	if err == nil && s.Gateway != own {
		a.complain(fmt.Sprintf("snapshot %s is of gateway %s; this one is %s", shortID(s.ID), s.Gateway, own))
	}
	return s, err
}

func (a *app) snapshotRestore(ctx context.Context, id string, f *snapshotRestoreFlags) (err error) {
	r, err := f.open(ctx, a)
	if err != nil {
		return err
	}
	key, wrapped, err := r.Key()
	if err != nil {
		return err
	}
	h, err := a.history(r)
	if err != nil {
		return err
	}
	from, err := a.chosen(ctx, h, id, f)
	if err != nil {
		return err
	}
	s, err := a.openSession(ctx, f.to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.requireLasting(f.dryRun); err != nil {
		return err
	}
	if !from.Whole() {
		a.complain("snapshot " + shortID(from.ID) + " is not whole; vaultferry snapshot show says what it lacks")
	}
	run := &snapshotRestoring{restoring: restoring{a: a, reports: []restoreReport{}}, s: s, r: r, key: key, wrapped: wrapped, flags: f, from: from}
	return run.all(ctx)
}

// snapshotRestoring is a restore of many documents on its way.
type snapshotRestoring struct {
	restoring
	s       *session
	r       *snapshot.Repository
	key     *backup.RepositoryKey
	wrapped snapshot.Wrapped
	flags   *snapshotRestoreFlags
	from    *snapshot.Snapshot
}

// Secrets are restored side by side, as far as their documents fit into so many bytes.
const (
	restoresAtOnce = 64
	restoredBytes  = 64 << 20
)

// all reads the snapshot, which was held to its signature before, part by part,
// and tells of each secret in its order.
func (run *snapshotRestoring) all(ctx context.Context) error {
	size := 16 * restoresAtOnce
	if run.flags.confirm {
		size = 1
	}
	var part []*snapshot.Entry
	_, err := run.r.Load(run.from.ID, func(e *snapshot.Entry) error {
		if !matchesAny(run.flags.match, string(e.Name), false) {
			return nil
		}
		if part = append(part, e); len(part) < size {
			return nil
		}
		all := part
		part = nil
		return run.part(ctx, all)
	})
	if err == nil {
		err = run.part(ctx, part)
	}
	if err != nil {
		return err
	}
	run.failed.complain(run.a)
	if len(run.reports) == 0 {
		run.a.complain("nothing in the snapshot matches")
	}
	if err := run.a.print(run.reports, run.traces.text); err != nil {
		return err
	}
	if (run.failed.n > 0 || run.failed.untried > 0) && ctx.Err() != nil {
		return ctx.Err()
	}
	return run.failed.exit()
}

func (run *snapshotRestoring) part(ctx context.Context, entries []*snapshot.Entry) error {
	reports, errs := make([]restoreReport, len(entries)), make([]error, len(entries))
	var group errgroup.Group
	group.SetLimit(restoresAtOnce)
	room := semaphore.NewWeighted(restoredBytes)
	for i, e := range entries {
		reports[i] = restoreReport{File: shortID(run.from.ID), Path: string(e.Name), Name: string(e.Name), Store: run.s.store.Name}
		takes := min(e.Size, restoredBytes)
		if run.failed.dead || room.Acquire(ctx, takes) != nil {
			errs[i] = errNotTried
			continue
		}
		group.Go(func() error {
			defer room.Release(takes)
			errs[i] = run.one(ctx, &reports[i], e)
			return nil
		})
	}
	_ = group.Wait() // each has an error of its own
	for i, r := range reports {
		if err := run.add(ctx, r, errs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (run *snapshotRestoring) one(ctx context.Context, r *restoreReport, e *snapshot.Entry) error {
	if e.Unread != "" {
		return fmt.Errorf("the snapshot has no document of it: it was not read (%s)", e.Unread)
	}
	blob, err := run.r.Blob(run.key, e)
	if err != nil {
		return err
	}
	f := run.flags
	if !f.dryRun {
		if err := f.approve(ctx, run.a, fmt.Sprintf("restore %s with %s into %s?", printable(r.Name), versions(e.Versions), r.Store)); err != nil {
			return err
		}
	}
	out, err := run.s.service.Restore(ctx, run.a.call("snapshot.restore"), r.Store, blob, gateway.RestoreOptions{
		RepositoryKey: run.wrapped.Key, RepositoryVoucher: run.wrapped.Voucher, OnConflict: gateway.OnConflict(f.onConflict), OnLoss: gateway.OnLoss(f.onLoss), DryRun: f.dryRun,
		Archive: archive.Dir(run.s.cfg.Archive.Dir),
	})
	if err != nil {
		r.Unfinished = run.a.howToEnd(ctx, run.s, err)
		if errors.Is(err, secret.AlreadyExists) {
			return fmt.Errorf("%s already has it, and nothing was written; see --on-conflict", r.Store)
		}
		return restoreAdvice(r.Store, err)
	}
	r.fill(out, f.dryRun)
	r.Spelled = spellings(run.s.sides(), out.Secret.Name)
	return nil
}
