package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/tracing"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

type snapshotCreateFlags struct {
	*repositoryFlags
	paceFlags
	labels []string
	onLoss string
}

func (a *app) snapshotCreateCommand(repo *repositoryFlags) *cobra.Command {
	f := snapshotCreateFlags{repositoryFlags: repo}
	cmd := &cobra.Command{
		Use: "create STORE[/GLOB]... --repo DIR", Short: "Take a snapshot of each store",
		Long: `Reads every secret of the stores, or those whose names match a GLOB: * is any run
of characters, ? any one. Each store gets a signed snapshot of its own. A store
that a running gateway has open is read through that gateway. A secret that has
not changed since the last snapshot is read and not stored again. The command
needs the right to back up each secret.

If a secret cannot be read, or the store cannot give all of it, the command names
it, marks the snapshot as not whole, and exits with 1. With --on-loss accept it
takes what the store gives, names what is lost, and exits with 0. The snapshot is
not whole then, either. A request that the product refuses for now is sent again,
for ten minutes. Secrets in the trash are in no snapshot.`,
		Example: `  vaultferry snapshot create payments --repo /backup/vaults
  vaultferry snapshot create payments 'web/team-a/*' --repo /backup/vaults --label when=nightly
  vaultferry snapshot create payments --repo /backup/vaults --rate 20/s`,
		Args: atLeast("STORE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.snapshotCreate(cmd.Context(), args, &f) },
	}
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "a label of the snapshot, KEY=VALUE; may be given several times")
	cmd.Flags().StringVar(&f.onLoss, "on-loss", "", "where the store cannot give everything: fail or accept (default: the store's on_loss, else fail)")
	f.flags(cmd)
	a.timeoutFlag(cmd)
	return cmd
}

// wanted is what of one store is asked for.
type wanted struct {
	store string
	match []string // empty: all
}

// parseWanted joins what is asked for of one store.
func parseWanted(args []string) []wanted {
	var all []wanted
	at := map[string]int{}
	whole := map[string]bool{}
	for _, arg := range args {
		store, glob, some := strings.Cut(arg, "/")
		i, ok := at[store]
		if !ok {
			i = len(all)
			at[store], all = i, append(all, wanted{store: store})
		}
		whole[store] = whole[store] || !some
		all[i].match = append(all[i].match, glob)
	}
	for i := range all {
		if whole[all[i].store] {
			all[i].match = nil
		}
	}
	return all
}

// snapshotReport is what became of one store, for programs.
type snapshotReport struct {
	Store    string              `json:"store"`
	Snapshot string              `json:"snapshot,omitempty"`
	Whole    bool                `json:"whole"`
	Count    int                 `json:"count"`
	Sealed   int                 `json:"sealed"` // documents that are new in the repository
	Unread   []unreadView        `json:"unread,omitempty"`
	Lacking  []unreadView        `json:"lacking,omitempty"`
	LeftOut  []inventory.LeftOut `json:"left_out,omitempty"`
	Error    string              `json:"error,omitempty"`
}

func (a *app) snapshotCreate(ctx context.Context, args []string, f *snapshotCreateFlags) error {
	if f.onLoss != "" && f.onLoss != string(gateway.LossFail) && f.onLoss != string(gateway.LossAccept) {
		return usagef("--on-loss is fail or accept, not %q", f.onLoss)
	}
	labels, err := parsePairs("--label", f.labels)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	a.atOnce = f.concurrency
	r, err := f.open(ctx, a)
	if err != nil {
		return err
	}
	_, key, err := r.Key()
	if err != nil {
		return err
	}
	reports, failed := []*snapshotReport{}, failures{}
	err = a.locked(ctx, r, "snapshot.create", func(ctx context.Context, lock *snapshot.Lock) error {
		for _, w := range parseWanted(args) {
			t := &taking{a: a, flags: f, lock: lock, key: key.Key, want: w, labels: labels, report: &snapshotReport{Store: w.store}, sealed: map[secret.Name]sealedOrNot{}}
			err := t.take(ctx, r)
			if err != nil && (ctx.Err() != nil || isUsage(err)) {
				return err
			}
			if err != nil {
				t.report.Error = message(err)
				a.complain(message(err))
				failed.add(err)
			} else if !t.asAsked {
				failed.n++
			}
			reports = append(reports, t.report)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(a.print(reports, func(w io.Writer) error {
		for _, r := range reports {
			if r.Snapshot == "" {
				continue
			}
			whole := ""
			if !r.Whole {
				whole = ", not whole"
			}
			if _, err := fmt.Fprintf(w, "snapshot %s: %s of %s, %d new%s\n", shortID(r.Snapshot), secrets(r.Count), r.Store, r.Sealed, whole); err != nil {
				return err
			}
		}
		return nil
	}), failed.exit())
}

func isUsage(err error) bool {
	e, ok := errors.AsType[*exitError](err)
	return ok && e.code == exitUsage
}

// shortID is enough of a snapshot's id to name it.
func shortID(id string) string { return id[:min(len(id), 12)] }

// taking is a snapshot of one store on its way.
type taking struct {
	a      *app
	flags  *snapshotCreateFlags
	lock   *snapshot.Lock
	key    string // wrapped
	want   wanted
	labels map[string]string
	report *snapshotReport
	// asAsked: nothing is lacking that nobody agreed to go without.
	asAsked bool

	mu     sync.Mutex
	sealed map[secret.Name]sealedOrNot // what was read, and is not written yet
}

type sealedOrNot struct {
	*gateway.Sealed
	err error
}

func (t *taking) take(ctx context.Context, r *snapshot.Repository) (err error) {
	s, err := t.a.openSession(ctx, t.want.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	keys, err := t.a.keyring(ctx, s.cfg)
	if err != nil {
		return err
	}
	call := t.a.call("snapshot.create")
	taken, err := r.Begin(t.lock, snapshot.Header{
		Gateway: gatewayID(s.cfg, keys), Store: s.store.Name, Product: s.productWord(), By: call.Caller.ID, Begun: t.a.now(),
		Match: t.want.match, Labels: t.labels,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, taken.Abort()) }()
	for _, d := range taken.Damage() {
		t.a.complain(fmt.Sprintf("%s: %s; vaultferry snapshot check looks at all of it", d.File, d.What))
	}
	side := s.side(call, &t.flags.paceFlags)
	far := newProgress(t.a.now, 0, side)
	far.forPeople = true
	src := t.source(s, side, taken)
	if err := t.a.whileShown(far, func() error {
		return t.a.traced(ctx, s.cfg, call, map[string]string{"vaultferry.store": s.store.Name}, func(ctx context.Context) error {
			return src.Take(ctx, func(e *inventory.Entry) error {
				far.step(e.Unread != "")
				return t.add(taken, e)
			}, endsAll)
		})
	}); err != nil {
		return fmt.Errorf("store %s: %w", s.store.Name, err)
	}
	made, err := taken.Close(t.report.LeftOut)
	if err != nil {
		return err
	}
	t.asAsked = made.AsAsked()
	t.report.Snapshot, t.report.Count, t.report.Sealed, t.report.Whole = made.ID, made.End.Count, taken.Sealed, made.Whole()
	t.say(len(taken.Damage()))
	e := t.a.auditEntry(opSnapshotCreated)
	e.Store, e.Digest, e.Key = made.Store, made.ID, r.ID()
	return t.a.changedRepository(t.flags.repo, e)
}

// source is the store as a snapshot reads it. An inventory walks over the names;
// what it is told of each is no more than when it was read.
func (t *taking) source(s *session, side *migrate.Side, taken *snapshot.Taking) *inventory.Source {
	matches := func(name string) bool { return matchesAny(t.want.match, name, side.FoldsCase) }
	return &inventory.Source{
		Readers: side.Pace.Width(),
		List:    side.List,
		Takes:   func(found *secret.Secret) bool { return matches(string(found.Name)) },
		LeftOut: func(l secret.LeftOut) {
			for _, pattern := range t.want.match {
				if len(leftOutMatching([]secret.LeftOut{l}, pattern, matches)) > 0 {
					t.report.LeftOut = append(t.report.LeftOut, inventory.LeftOutOf(l))
					return
				}
			}
			if len(t.want.match) == 0 {
				t.report.LeftOut = append(t.report.LeftOut, inventory.LeftOutOf(l))
			}
		},
		Digest: func(ctx context.Context, name secret.Name) (*inventory.Entry, error) {
			var out *gateway.Sealed
			ctx, end := tracing.Part(ctx, "snapshot.read")
			err := side.Pace.Do(ctx, func(ctx context.Context) (err error) {
				out, err = s.service.SealFor(ctx, side.Call, gateway.Ref{Store: side.Store, Name: name},
					gateway.SealOptions{Key: t.key, Known: taken.Known(name), OnLoss: gateway.OnLoss(t.flags.onLoss)})
				return err
			})
			end(err)
			t.mu.Lock()
			t.sealed[name] = sealedOrNot{out, err}
			t.mu.Unlock()
			e := &inventory.Entry{Name: name}
			if out != nil && out.Empty { // lists show no such secret, and neither does a snapshot
				e.Versions = []inventory.Version{{State: inventory.State(secret.Deleted)}}
			}
			return e, err
		},
	}
}

// add writes what was read of one secret.
func (t *taking) add(taken *snapshot.Taking, found *inventory.Entry) error {
	t.mu.Lock()
	got := t.sealed[found.Name]
	delete(t.sealed, found.Name)
	t.mu.Unlock()
	if found.Unread != "" {
		t.report.Unread = append(t.report.Unread, unreadView{string(found.Name), message(got.err)})
		return taken.Add(&snapshot.Entry{Name: found.Name, Unread: found.Unread}, nil)
	}
	e := &snapshot.Entry{Name: found.Name, Read: got.Read.UTC().Truncate(time.Millisecond), Document: got.Document, Versions: got.Versions}
	for _, l := range got.Losses {
		if l.Grade > secret.Trace {
			e.Lacks = append(e.Lacks, l.Sentence())
		}
	}
	if len(e.Lacks) > 0 {
		t.report.Lacking = append(t.report.Lacking, unreadView{string(found.Name), strings.Join(e.Lacks, "; ")})
	}
	return taken.Add(e, got.Blob)
}

// say names what is not in the snapshot.
func (t *taking) say(damage int) {
	for _, u := range t.report.Unread {
		t.a.complain(printable(u.Name) + ": " + u.Error)
	}
	for _, u := range t.report.Lacking {
		t.a.complain(printable(u.Name) + ": " + u.Error)
	}
	for _, l := range t.report.LeftOut {
		t.a.complain(leftOutLine(l))
	}
	if damage > 0 {
		t.report.Error = "the repository is damaged"
	}
}
