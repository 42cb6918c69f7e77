package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

type inventoryFlags struct {
	paceFlags
	outputFile string
	force      bool
	runKey     string
	plan, side string
	namesFile  namesFile
	errors     errorFile
	selection

	wantedTags map[string]string
	names      []secret.Name // nil: the store is listed
}

// selection is which secrets of a store count.
type selection struct {
	match    []string
	tags     []string
	noValues bool
}

func (a *app) inventoryCommand() *cobra.Command {
	var f inventoryFlags
	cmd := &cobra.Command{
		Use:   "inventory STORE",
		Short: "List a store with digests of all values, for comparisons",
		Long: `Reads every secret of the store, or those that --match and --tag pick, and writes
a signed file of what stands there, without values: names, versions, their
states, and keyed digests of values and attributes. "diff" compares two of them,
or one with a store.

The file's run key keys the digests. It is kept in the file, wrapped for the
keyring, or in a file of its own: --run-key makes that if it is not there. Who
has the key can guess weak values offline. It needs the right to get each
secret; --no-values digests no value, and needs the right to list.

--plan reads what a plan names, and nothing else, under the plan's run key: for
the party that has the other side of a move. Secrets are read under the names
that they have at the target, and digested over those of the source, unless the
plan was made here and STORE is its source; --side says otherwise.

What could not be read is named, and stands in the file as that; exit code 1.
--error-file writes the names of what failed, and --names-file takes them.`,
		Example: `  vaultferry inventory payments --output-file payments.inventory
  vaultferry inventory payments --match 'team-a/*' --tag env=prod --output-file a.inventory
  vaultferry inventory payments --plan move.plan --run-key run.key --output-file target.inventory
  vaultferry inventory payments --no-values --output-file names.inventory`,
		Args: arguments("STORE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := f.checkInventory(); err != nil {
				return err
			}
			a.atOnce = f.concurrency
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			if f.plan != "" {
				return a.inventoryByPlan(cmd.Context(), s, &f)
			}
			return a.inventory(cmd.Context(), s, &f)
		},
	}
	cmd.Flags().StringVar(&f.outputFile, "output-file", "", "the inventory's file")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace an existing file")
	cmd.Flags().StringVar(&f.runKey, "run-key", "", "the file of the run key, made if it is not there")
	cmd.Flags().StringVar(&f.plan, "plan", "", "read what this plan names, under its run key")
	cmd.Flags().StringVar(&f.side, "side", "", "the side of the plan that the store is: source or target")
	f.namesFile.flags(cmd, "read")
	f.errors.flags(cmd)
	f.selection.flags(cmd)
	f.paceFlags.flags(cmd)
	return cmd
}

func (f *inventoryFlags) checkInventory() (err error) {
	switch {
	case f.outputFile == "" || f.outputFile == "-":
		return usagef("--output-file FILE is missing")
	case f.plan != "" && (len(f.match) > 0 || len(f.tags) > 0 || f.namesFile.path != ""):
		return usagef("--plan names the secrets, so --match, --tag and --names-file do not go with it")
	case f.plan == "" && f.side != "":
		return usagef("--side is of a plan: --plan FILE is missing")
	case f.side != "" && f.side != "source" && f.side != "target":
		return usagef("--side is source or target, not %q", f.side)
	}
	if f.wantedTags, err = parsePairs("--tag", f.tags); err != nil {
		return err
	}
	if f.names, err = f.namesFile.read(f.match); err != nil {
		return err
	}
	return errors.Join(f.check(), mustBeFree(f.force, f.outputFile))
}

func (f *selection) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.match, "match", nil, "secrets whose names match: * is any run of characters, ? any one; may be given several times")
	cmd.Flags().StringArrayVar(&f.tags, "tag", nil, "secrets that have this tag, KEY=VALUE; may be given several times")
	cmd.Flags().BoolVar(&f.noValues, "no-values", false, "read and digest no value")
}

// inventoryReport is the answer to programs.
type inventoryReport struct {
	Store  string       `json:"store"`
	File   string       `json:"file"`
	Count  int          `json:"count"`
	Root   string       `json:"root"`
	RunKey string       `json:"run_key_id"`
	Unread []unreadView `json:"unread,omitempty"`
	// Absent are names that were asked for and are not there.
	Absent []string `json:"absent,omitempty"`
	// LeftOut is what the store's lists should show and did not.
	LeftOut []inventory.LeftOut `json:"left_out,omitempty"`
}

type unreadView struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

func (a *app) inventory(ctx context.Context, s *session, f *inventoryFlags) error {
	keys, err := a.keyring(ctx, s.cfg)
	if err != nil {
		return err
	}
	k, wrapped, err := newRunKey(f.runKey, keys)
	if err != nil {
		return err
	}
	h := s.inventoryHeader(keys, k, wrapped)
	h.Match, h.Tags, h.Named, h.NoValues = f.match, f.tags, f.names != nil, f.noValues
	report := &inventoryReport{}
	side := s.side(a.call("inventory"), &f.paceFlags)
	src := a.source(side, k, f.wantedTags, &f.selection)
	far := newProgress(a.now, len(f.names), side)
	src.Names, src.Absent = f.names, func(n secret.Name) {
		far.step(true)
		report.Absent = append(report.Absent, string(n))
	}
	src.LeftOut = func(l secret.LeftOut) { report.LeftOut = append(report.LeftOut, inventory.LeftOutOf(l)) }
	return a.takeInventory(h, keys, report, f, far, func(write func(*inventory.Entry) error) error { return src.Take(ctx, write, endsAll) })
}

func (s *session) inventoryHeader(keys *backup.Keyring, k inventory.Key, wrapped string) inventory.Header {
	return inventory.Header{Gateway: gatewayID(s.cfg, keys), Store: s.store.Name, Product: s.productWord(), RunKeyID: k.ID(), RunKey: wrapped}
}

// inventoryByPlan reads what a plan names.
func (a *app) inventoryByPlan(ctx context.Context, s *session, f *inventoryFlags) error {
	return a.withPlan(ctx, f.plan, &planUse{f.paceFlags, f.runKey}, func(p *planFile) error {
		call := a.call("inventory")
		call.RequestID = p.Header.Run
		look := live(s.side(call, &f.paceFlags), p.key)
		look.NoValues = f.noValues
		survey := migrate.Survey{Live: look, Target: f.isTarget(s, p), Readers: f.concurrency}
		h := s.inventoryHeader(p.keys, p.key, p.Header.RunKey)
		h.Plan, h.NoValues = p.digest, f.noValues
		far, err := p.surveyed(&survey, look.Side)
		if err != nil {
			return err
		}
		return a.takeInventory(h, p.keys, &inventoryReport{}, f, far, func(write func(*inventory.Entry) error) error {
			return survey.Take(ctx, p.entries, write)
		})
	})
}

// isTarget says which side of the plan the store is: where another gateway made it,
// the one that this gateway was asked for.
func (f *inventoryFlags) isTarget(s *session, p *planFile) bool {
	if f.side != "" {
		return f.side == "target"
	}
	return p.Header.Gateway != gatewayID(s.cfg, p.keys) || p.Header.From != s.store.Name
}

// takeInventory writes the file and says what is in it and what is not.
func (a *app) takeInventory(h inventory.Header, keys *backup.Keyring, r *inventoryReport, f *inventoryFlags, far *progress, take func(func(*inventory.Entry) error) error) error {
	r.Store, r.File, r.RunKey = h.Store, f.outputFile, h.RunKeyID
	end, err := a.writeInventory(f.outputFile, f.force, h, keys, far, func(write func(*inventory.Entry) error) ([]inventory.LeftOut, error) {
		err := take(func(e *inventory.Entry) error {
			if e.Unread != "" {
				r.Unread = append(r.Unread, unreadView{string(e.Name), e.Unread})
				f.errors.add(e.Name)
			}
			return write(e)
		})
		return r.LeftOut, err
	})
	switch {
	case err != nil && (isUsage(err) || isOfFile(err)):
		return err
	case err != nil:
		return fmt.Errorf("store %s: %w", h.Store, err)
	}
	r.Count, r.Root = end.Count, end.Root
	r.complain(a, &f.errors)
	return errors.Join(a.answer(r, r.text), f.errors.write(), exitIfAny(len(r.Unread)+len(r.Absent)+len(r.LeftOut)))
}

func (r *inventoryReport) complain(a *app, failed *errorFile) {
	for _, u := range r.Unread {
		a.complain(printable(u.Name) + ": " + u.Error)
	}
	for _, n := range r.Absent {
		a.complain(printable(n) + ": it is not there")
		failed.add(secret.Name(n))
	}
	for _, l := range r.LeftOut {
		a.complain(leftOutLine(l))
	}
}

func (r *inventoryReport) text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s: %s of %s\nroot %s\n", r.File, secrets(r.Count), r.Store, r.Root)
	return err
}

// leftOutLine names what is not in an inventory and should be.
func leftOutLine(l inventory.LeftOut) string {
	name := printable(l.Name)
	if name == "" {
		name = "(without a name)"
	}
	return fmt.Sprintf("%s: not listed (%s)", name, l.Why)
}

func secrets(n int) string { return many(n, "secret") }

// inventoryReaders is how many secrets a command reads at once, unless it is told.
const inventoryReaders = 32

// source is a store as an inventory reads it.
func (a *app) source(side *migrate.Side, k inventory.Key, tags map[string]string, f *selection) *inventory.Source {
	return &inventory.Source{
		List: func(ctx context.Context, q secret.Query) (secret.Page, error) {
			q.WithTrash = true
			return side.List(ctx, q)
		},
		Readers: side.Pace.Width(),
		Digest: func(ctx context.Context, name secret.Name) (*inventory.Entry, error) {
			return side.Digest(ctx, k, name, gateway.DigestOptions{NoValues: f.noValues, Tags: tags})
		},
		Takes: func(found *secret.Secret) bool {
			tagged := len(tags) == 0 || found.Deleted == nil // of what is deleted nobody asks for tags
			return tagged && matchesAny(f.match, string(found.Name), side.FoldsCase)
		},
	}
}

// matchesAny: no pattern matches all.
func matchesAny(patterns []string, name string, folds bool) bool {
	fold := func(s string) string { return s }
	if folds {
		fold = strings.ToLower
	}
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return access.Match(fold(p), fold(name)) })
}

// endsAll reports whether an error about one secret will meet all the others.
func endsAll(err error) bool { return isDead(err) || errors.Is(err, secret.Unavailable) }
