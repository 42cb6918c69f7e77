package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/tracing"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

type snapshotDrillFlags struct {
	*repositoryFlags
	gatewayFlag
	last           bool
	store, as      string
	sample, onLoss string
	metricsFile    string
}

func (a *app) snapshotDrillCommand(repo *repositoryFlags) *cobra.Command {
	f := snapshotDrillFlags{repositoryFlags: repo}
	cmd := &cobra.Command{
		Use: "drill [ID] --repo DIR", Short: "Prove that a snapshot restores",
		Long: `Restores the secrets of a snapshot, of ID or of the newest one of each store of
each gateway, into an imitation in memory of the product that they came from, or of
another, and compares the result with the snapshot by digests. It opens no store,
and writes only its result, which is signed and stays in the repository.

It names each secret whose document is missing or changed, that the product would
not hold, or that comes back different, and then exits with 1. Losses are refused
unless --on-loss accepts them. An accepted loss does not count as a difference.

--metrics-file writes when each store was drilled last, for the textfile collector
of Prometheus' node_exporter.`,
		Example: `  vaultferry snapshot drill --repo /backup/vaults
  vaultferry snapshot drill --repo /backup/vaults --sample 500 --metrics-file /var/lib/node_exporter/vaultferry.prom
  vaultferry snapshot drill 3f1c02aa9b7e --repo /backup/vaults --as azurekv`,
		Args: arguments("[ID]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := ""
			if len(args) > 0 {
				id = args[0]
			}
			return a.snapshotDrill(cmd.Context(), id, &f)
		},
	}
	cmd.Flags().BoolVar(&f.last, "last", false, "the newest snapshot of each store; so it is without ID")
	cmd.Flags().StringVar(&f.store, "store", "", "the newest snapshot of this store alone")
	f.flags(cmd, "the newest snapshots of this gateway alone, by its id or how that begins")
	cmd.Flags().StringVar(&f.as, "as", "", "the product to imitate (default: that of the snapshot)")
	cmd.Flags().StringVar(&f.sample, "sample", "all", "how many secrets of each snapshot, picked at random; or all")
	cmd.Flags().StringVar(&f.onLoss, "on-loss", "fail", "where the product cannot hold everything: fail, accept or trim-oldest")
	cmd.Flags().StringVar(&f.metricsFile, "metrics-file", "", "write metrics to this file")
	a.timeoutFlag(cmd)
	return cmd
}

func (f *snapshotDrillFlags) check(id string) (sample int, err error) {
	switch {
	case id != "" && (f.last || f.store+f.gateway != ""):
		return 0, usagef("--last, --store and --gateway are for who names no snapshot")
	case f.as != "" && !slices.Contains(all.Imitations(), f.as):
		_, err := all.Imitation(f.as, nil) // which says what can be
		return 0, &exitError{exitUsage, err}
	case !slices.Contains([]string{string(gateway.LossFail), string(gateway.LossAccept), string(gateway.LossTrim)}, f.onLoss):
		return 0, usagef("--on-loss is fail, accept or trim-oldest, not %q", f.onLoss)
	case f.sample == "all":
		return 0, nil
	}
	sample, err = strconv.Atoi(f.sample)
	if err != nil || sample <= 0 {
		return 0, usagef("--sample is a number of secrets or all, not %q", f.sample)
	}
	return sample, nil
}

// drillView is what came of one snapshot, for programs.
type drillView struct {
	snapshot.Drill
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func (a *app) snapshotDrill(ctx context.Context, id string, f *snapshotDrillFlags) error {
	sample, err := f.check(id)
	if err != nil {
		return err
	}
	keys, err := f.keys(ctx, a)
	if err != nil {
		return err
	}
	if _, _, ok := keys.Signer(); !ok {
		return usagef("no key of the keyring signs, and a drill leaves a signed result; vaultferry keys new --add --type %s adds one", backup.AlgEdDSA)
	}
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
	chosen, err := f.choose(h, id)
	if err != nil {
		return err
	}
	cfg, err := a.drillConfig(f)
	if err != nil {
		return err
	}
	bad, views := len(h.Damage), []drillView{}
	for _, s := range chosen {
		d := &drilling{a: a, r: r, flags: f, keys: keys, key: key, wrapped: wrapped, run: inventory.NewKey(), sample: sample, snapshot: s}
		v, err := d.do(ctx, cfg)
		if err != nil {
			return err
		}
		if !v.OK {
			bad++
		}
		views = append(views, v)
	}
	if f.metricsFile != "" {
		if err := writeDrillMetrics(f.metricsFile, r, h); err != nil {
			return fmt.Errorf("%s: %w", f.metricsFile, secret.WithoutPath(err))
		}
	}
	return errors.Join(a.print(views, func(w io.Writer) error { return drillText(w, h, views) }), exitIfAny(bad))
}

// drillConfig is the configuration; where there is none, and a keyring was named,
// none is needed.
func (a *app) drillConfig(f *snapshotDrillFlags) (*config.Config, error) {
	if _, err := os.Stat(a.configPath()); errors.Is(err, os.ErrNotExist) && f.keyring != "" && a.configFile == "" {
		return config.Default(), nil
	}
	return a.loadUnresolved()
}

// choose picks the snapshots.
func (f *snapshotDrillFlags) choose(h *snapshot.History, id string) ([]*snapshot.Snapshot, error) {
	if id != "" {
		s, err := h.Find(id)
		return []*snapshot.Snapshot{s}, err
	}
	h, err := f.narrow(h)
	if err != nil {
		return nil, err
	}
	var chosen []*snapshot.Snapshot
	for _, s := range h.Newest() {
		if f.store == "" || s.Store == f.store {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, secret.Errorf(secret.NotFound, "there is no snapshot to try")
	}
	return chosen, nil
}

func drillText(w io.Writer, h *snapshot.History, views []drillView) error {
	for _, v := range views {
		said := fmt.Sprintf("%d of %d came back as they were", v.Same, v.Tried)
		if v.Losing > 0 {
			said += fmt.Sprintf(", %d of these less what was foretold", v.Losing)
		}
		if v.Tried < v.Count {
			said += fmt.Sprintf(" (of %s)", secrets(v.Count))
		}
		if _, err := fmt.Fprintf(w, "snapshot %s of %s, as %s: %s\n", shortID(v.Snapshot), storeAt(h, v.Gateway, v.Store), v.As, said); err != nil {
			return err
		}
	}
	return nil
}

// drilling is a drill of one snapshot on its way.
type drilling struct {
	a        *app
	r        *snapshot.Repository
	flags    *snapshotDrillFlags
	keys     *backup.Keyring
	key      *backup.RepositoryKey
	wrapped  snapshot.Wrapped
	run      inventory.Key
	sample   int // 0: all
	snapshot *snapshot.Snapshot
	into     *imitation
	out      snapshot.Drill
	failed   int
}

// do tries the secrets, and leaves the result. It fails only where that cannot be.
func (d *drilling) do(ctx context.Context, cfg *config.Config) (v drillView, err error) {
	s, call := d.snapshot, d.a.call("snapshot.drill")
	d.out = snapshot.Drill{Snapshot: s.ID, Gateway: s.Gateway, Store: s.Store, Product: s.Product, As: s.Product, By: call.Caller.ID, Begun: d.a.now(), Count: s.End.Count}
	if d.flags.as != "" {
		d.out.As = d.flags.as
	}
	if d.into, err = d.a.imitate(d.out.As, cfg, d.keys); err != nil {
		return v, err
	}
	about := map[string]string{"vaultferry.store": s.Store, "vaultferry.as": d.out.As}
	if err := d.a.traced(ctx, cfg, call, about, func(ctx context.Context) error { return d.entries(ctx, call) }); err != nil {
		return v, err
	}
	d.out.Ended = d.a.now()
	if err := d.r.AddDrill(&d.out); err != nil {
		return v, err
	}
	for _, p := range d.out.Problems {
		d.a.complain(printable(string(p.Name)) + ": " + p.What)
	}
	if more := d.failed - len(d.out.Problems); more > 0 {
		d.a.complain(fmt.Sprintf("and %d more", more))
	}
	e := d.a.auditEntry("cli.snapshot.drill")
	e.Store, e.Digest, e.Key = s.Store, s.ID, d.r.ID()
	e.Reason = fmt.Sprintf("as %s: %d of %d", d.out.As, d.out.Same, d.out.Tried)
	if !d.out.OK() {
		e.Result = secret.Corrupt.Error()
	}
	return drillView{Drill: d.out, OK: d.out.OK()}, d.a.changedRepository(d.flags.repo, e)
}

// entries tries all of the snapshot, part by part, or a sample.
func (d *drilling) entries(ctx context.Context, call gateway.Call) error {
	var part []*snapshot.Entry
	seen := 0
	_, err := d.r.Load(d.snapshot.ID, func(e *snapshot.Entry) error {
		seen++
		switch {
		case d.sample == 0 || len(part) < d.sample:
			part = append(part, e)
		default: // each has the same chance to be among them
			if i := rand.IntN(seen); i < d.sample { //nolint:gosec // nobody gains by guessing it
				part[i] = e
			}
		}
		if d.sample > 0 || len(part) < 16*restoresAtOnce {
			return nil
		}
		tried := part
		part = nil
		return d.part(ctx, call, tried)
	})
	if err == nil {
		err = d.part(ctx, call, part)
	}
	return err
}

func (d *drilling) part(ctx context.Context, call gateway.Call, entries []*snapshot.Entry) error {
	whats, losing := make([]string, len(entries)), make([]bool, len(entries))
	var group errgroup.Group
	group.SetLimit(inventoryReaders)
	for i, e := range entries {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var err error
			if losing[i], err = d.one(ctx, call, e); err != nil && ctx.Err() == nil {
				whats[i] = message(err)
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, e := range entries {
		d.out.Tried++
		switch {
		case whats[i] == "":
			d.out.Same++
			if losing[i] {
				d.out.Losing++
			}
			continue
		case len(d.out.Problems) < snapshot.MostProblems:
			d.out.Problems = append(d.out.Problems, snapshot.Problem{Name: e.Name, What: whats[i]})
		}
		d.failed++
	}
	return nil
}

// one restores a secret as "snapshot restore" does, reads it back, and compares it
// with what the document holds. Nothing of it stays.
func (d *drilling) one(ctx context.Context, call gateway.Call, e *snapshot.Entry) (losing bool, err error) {
	ctx, end := tracing.Part(ctx, "snapshot.try")
	defer func() { end(err) }()
	if e.Unread != "" {
		return false, fmt.Errorf("the snapshot has no document of it: it was not read (%s)", e.Unread)
	}
	blob, doc, err := d.r.Document(d.key, e)
	if err != nil {
		return false, err
	}
	out, err := d.into.Restore(ctx, call, imitated, blob, gateway.RestoreOptions{
		RepositoryKey: d.wrapped.Key, RepositoryVoucher: d.wrapped.Voucher, OnLoss: gateway.OnLoss(d.flags.onLoss),
	})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, d.into.forget(ctx, e.Name)) }()
	want := d.run.EntryOf(doc.Secret, "", e.Read)
	have, err := d.into.Digest(ctx, call, gateway.Ref{Store: imitated, Name: e.Name}, d.run, gateway.DigestOptions{})
	if err != nil {
		return false, err
	}
	verdict := migrate.Foretold(e.Name, out).Judge(&want, have)
	if verdict.Differs() {
		return false, fmt.Errorf("it comes back otherwise: %s", partWords(viewParts(verdict.Parts)))
	}
	return slices.ContainsFunc(out.Losses, func(l secret.Loss) bool { return l.Grade > secret.Trace }), nil
}
