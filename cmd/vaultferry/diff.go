package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

type diffFlags struct {
	planUse
	list    string
	force   bool
	plan    string
	trusted []string // files of public keys
	selection
	storeTags []string // instead of tags: those of an inventory
}

func (a *app) diffCommand() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two stores or inventories, without values",
		Long: `Compares A with B, each a store of the configuration or the file of an inventory.
A store is read as it is now; values are compared by digests and shown nowhere.
Each secret that differs has a line, and --list writes a line for each secret:

  =  the same
  ~  values, their order and states are the same; attributes differ
  *  values, their order or states differ
  -  only in A
  +  only in B
  !  one of them could not be read

Versions that products number anew are told by their ids, else by their values.

--plan compares what a plan of "migrate" names, and nothing else: A is the plan's
source, and B its target, where secrets may have other names. Inventories must be
made under the plan's run key. A difference that the plan foretold says so.

An inventory must be signed by a key of the keyring, or of --public-key: what the
other party of a move prints with "keys public --signing".

Exit code 0: all is the same, or all that differs was foretold; 3: something
differs; 1: something could not be read.`,
		Example: `  vaultferry diff old new
  vaultferry diff payments payments.inventory
  vaultferry diff old.inventory theirs.inventory --plan move.plan --run-key run.key --public-key their-keys.json
  vaultferry diff monday.inventory tuesday.inventory --run-key run.key --list all.txt`,
		Args: arguments("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.diff(cmd.Context(), args[0], args[1], &f) },
	}
	cmd.Flags().StringVar(&f.list, "list", "", "write a line for each secret to this file")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace an existing file")
	cmd.Flags().StringVar(&f.plan, "plan", "", "compare what this plan names, and tell what it foretold")
	cmd.Flags().StringArrayVar(&f.trusted, "public-key", nil, "public keys of whoever else signs inventories; may be given several times")
	f.planUse.flags(cmd)
	cmd.Flags().Lookup("run-key").Usage = "the file of the inventories' run key, or the plan's"
	f.selection.flags(cmd)
	return cmd
}

func (f *diffFlags) checkDiff() error {
	if _, err := parsePairs("--tag", f.tags); err != nil {
		return err
	}
	if f.plan != "" && len(f.tags) > 0 {
		return usagef("--plan names the secrets, so --tag does not go with it")
	}
	return errors.Join(f.check(), mustBeFree(f.force, f.list))
}

// operand is one of the two that are compared.
type operand struct {
	store string         // empty: a file
	file  *inventoryFile // nil: a store

	leftOut []inventory.LeftOut // of a store
}

func (o *operand) close() error {
	if o.file == nil {
		return nil
	}
	return o.file.close()
}

// lacking is what a list of it should have shown, once all was read.
func (o *operand) lacking() []inventory.LeftOut {
	if o.file != nil && o.file.End != nil {
		return o.file.End.LeftOut
	}
	return o.leftOut
}

// diffView is one secret as programs see it.
type diffView struct {
	Sign  string     `json:"sign"`
	Name  string     `json:"name"`
	Parts []partView `json:"parts,omitempty"`
	// Foretold: a plan said that it would differ so. Why is what else there is to say.
	Foretold bool   `json:"foretold,omitempty"`
	Stays    bool   `json:"stays,omitempty"` // the plan left it where it is
	Why      string `json:"why,omitempty"`
}

type partView struct {
	Version int64  `json:"version,omitempty"`
	What    string `json:"what"`
}

func (p partView) words() string {
	if p.Version == 0 {
		return p.What
	}
	return fmt.Sprintf("%s of version %d", p.What, p.Version)
}

func (v *diffView) line() string {
	line := v.Sign + " " + printable(v.Name)
	if len(v.Parts) > 0 {
		line += ": " + partWords(v.Parts)
	}
	if v.Why != "" {
		line += " (" + printable(v.Why) + ")"
	}
	return line
}

func partWords(all []partView) string {
	var parts []string
	for _, p := range all {
		parts = append(parts, p.words())
	}
	return strings.Join(parts, ", ")
}

// diffReport is the answer to programs.
type diffReport struct {
	Counts map[string]int `json:"counts"`
	Differ []diffView     `json:"differ"` // all but "="
	// Foretold is how many of these a plan foretold.
	Foretold int `json:"foretold,omitempty"`
	// Stays is how many of these a plan left where they are.
	Stays int `json:"stays,omitempty"`
	// LeftOut is what a list of A or B should show and did not.
	LeftOut []inventory.LeftOut `json:"left_out,omitempty"`
	unread  int
}

func (a *app) diff(ctx context.Context, nameA, nameB string, f *diffFlags) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg, _, err := a.load()
	if err != nil {
		return err
	}
	keys, err := a.keyring(ctx, cfg)
	if err != nil {
		return err
	}
	if err := f.checkDiff(); err != nil {
		return err
	}
	signers, err := trusted(keys, f.trusted)
	if err != nil {
		return err
	}
	inA, err := openOperand(cfg, verifierOf(signers), nameA)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inA.close()) }()
	inB, err := openOperand(cfg, verifierOf(signers), nameB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inB.close()) }()
	var k inventory.Key
	if f.plan == "" {
		if err := f.narrow(inA, inB); err != nil {
			return err
		}
		if k, err = sharedRunKey(keys, inA, inB, f); err != nil {
			return err
		}
	}
	report := &diffReport{Counts: map[string]int{}, Differ: []diffView{}}
	compare := func(w io.Writer) error {
		return a.mergeStreams(ctx, cancel, inA, inB, k, f, func(d inventory.Difference) error { return report.add(w, d) })
	}
	if f.plan != "" {
		compare = func(w io.Writer) error {
			return a.diffByPlan(ctx, inA, inB, f, func(v *migrate.Verdict) error { return report.say(w, viewVerdict(v)) })
		}
	}
	if f.list == "" {
		err = compare(io.Discard)
	} else {
		err = writeWhole(f.list, f.force, func(file *os.File) error {
			w := bufio.NewWriter(file)
			return errors.Join(compare(w), w.Flush())
		})
	}
	if err != nil {
		return err
	}
	for _, in := range []*operand{inA, inB} {
		if f.plan != "" {
			break // names were read, and no list
		}
		report.LeftOut = append(report.LeftOut, in.lacking()...)
	}
	return errors.Join(a.print(report, report.text), report.exit())
}

// mergeStreams compares two sides, name by name.
func (a *app) mergeStreams(ctx context.Context, cancel func(), inA, inB *operand, k inventory.Key, f *diffFlags, tell func(inventory.Difference) error) error {
	streamA, doneA, err := a.stream(ctx, inA, k, f)
	if err != nil {
		return err
	}
	streamB, doneB, err := a.stream(ctx, inB, k, f)
	if err != nil {
		cancel()
		return errors.Join(err, doneA())
	}
	err = inventory.Merge(streamA, streamB, tell)
	cancel()
	return errors.Join(err, doneA(), doneB())
}

func viewParts(parts []inventory.Part) (all []partView) {
	for _, p := range parts {
		all = append(all, partView{int64(p.Version), p.What})
	}
	return all
}

func (r *diffReport) add(w io.Writer, d inventory.Difference) error {
	return r.say(w, diffView{Sign: string(d.Sign), Name: string(d.Name), Parts: viewParts(d.Parts)})
}

// say counts what differs, and writes a line for each secret.
func (r *diffReport) say(w io.Writer, v diffView) error {
	r.Counts[v.Sign]++
	switch {
	case v.Foretold:
		r.Foretold++
	case v.Stays:
		r.Stays++
	}
	if v.Sign == string(inventory.Incomparable) && !v.Stays {
		r.unread++
	}
	if v.Sign != string(inventory.Same) {
		r.Differ = append(r.Differ, v)
	}
	_, err := fmt.Fprintln(w, v.line())
	return err
}

// signs are all of them, in the order of the summary, with their words.
var signs = []struct{ sign, words string }{
	{"=", "the same"}, {"~", "differ in attributes alone"}, {"*", "differ"}, {"-", "only in A"}, {"+", "only in B"}, {"!", "not read"},
}

func (r *diffReport) text(w io.Writer) error {
	for i := range r.Differ {
		if _, err := fmt.Fprintln(w, r.Differ[i].line()); err != nil {
			return err
		}
	}
	for _, l := range r.LeftOut {
		if _, err := fmt.Fprintln(w, string(inventory.Incomparable)+" "+leftOutLine(l)); err != nil {
			return err
		}
	}
	line := countLine(r.Counts, "A", "B")
	if r.Foretold > 0 {
		line += fmt.Sprintf("; %d as foretold", r.Foretold)
	}
	_, err := fmt.Fprintln(w, line+staysWords(r.Stays))
	return err
}

// countLine says how many there are of each sign. a and b are the two sides.
func countLine(counts map[string]int, a, b string) string {
	var all []string
	for _, s := range signs {
		words := strings.NewReplacer("in A", "in "+a, "in B", "in "+b).Replace(s.words)
		if n := counts[s.sign]; n > 0 || s.sign == "=" {
			all = append(all, fmt.Sprintf("%d %s", n, words))
		}
	}
	return strings.Join(all, ", ")
}

func (r *diffReport) exit() error {
	switch {
	case r.unread+len(r.LeftOut) > 0:
		return &exitError{code: exitFailed}
	case len(r.Differ) > r.Foretold+r.Stays:
		return &exitError{code: exitDifferent}
	}
	return nil
}

// openOperand takes the word for a store, else for a file.
func openOperand(cfg *config.Config, prove inventory.Verifier, word string) (*operand, error) {
	_, isStore := cfg.Store(word)
	_, err := os.Stat(word)
	switch {
	case isStore && err == nil:
		return nil, usagef("%q is a store and a file: write ./%s for the file, or remove it", word, word)
	case isStore:
		return &operand{store: word}, nil
	case err != nil:
		return nil, usagef("there is no store and no file %q", word)
	}
	file, err := openInventory(word, prove)
	if err != nil {
		return nil, err
	}
	return &operand{file: file}, nil
}

// narrow asks a store for what the inventory beside it was asked for.
func (f *diffFlags) narrow(a, b *operand) error {
	for _, s := range []*operand{a, b} {
		if s.file == nil {
			continue
		}
		h := &s.file.Header
		switch {
		case len(f.tags) > 0:
			return usagef("--tag picks secrets of stores, and an inventory does not tell tags")
		case (a.file == nil || b.file == nil) && len(h.Tags)+len(h.Match) > 0 && len(f.match) == 0:
			f.match, f.storeTags = h.Match, h.Tags
		}
		f.noValues = f.noValues || h.NoValues
	}
	return nil
}

// sharedRunKey is the key of the inventories; of two stores, a key for once.
func sharedRunKey(keys *backup.Keyring, a, b *operand, f *diffFlags) (inventory.Key, error) {
	switch {
	case a.file == nil && b.file == nil:
		return inventory.NewKey(), nil
	case a.file != nil && b.file != nil:
		if a.file.Header.RunKeyID != b.file.Header.RunKeyID {
			return inventory.Key{}, usagef("the inventories have two run keys, %s and %s: take both with one --run-key FILE", a.file.Header.RunKeyID, b.file.Header.RunKeyID)
		}
		return inventory.Key{}, nil // nothing is digested
	case a.file != nil:
		return runKeyOfInventory(&a.file.Header, f.runKey, keys)
	}
	return runKeyOfInventory(&b.file.Header, f.runKey, keys)
}

func runKeyOfInventory(h *inventory.Header, file string, keys *backup.Keyring) (inventory.Key, error) {
	return runKeyOf("inventory", h.RunKeyID, h.RunKey, file, keys)
}

// stream reads a operand. The function ends it; the context must have ended then.
func (a *app) stream(ctx context.Context, s *operand, k inventory.Key, f *diffFlags) (inventory.Stream, func() error, error) {
	if s.file != nil {
		keep := func(e *inventory.Entry) bool {
			if f.noValues {
				e.DropValues()
			}
			return matchesAny(f.match, string(e.Name), false)
		}
		return inventory.Only(s.file, keep), func() error { return nil }, nil
	}
	tags, err := parsePairs("--tag", append(f.tags, f.storeTags...))
	if err != nil {
		return nil, nil, err
	}
	a.atOnce = f.concurrency
	session, err := a.openSession(ctx, s.store)
	if err != nil {
		return nil, nil, err
	}
	src := a.source(session.side(a.call("inventory"), &f.paceFlags), k, tags, &f.selection)
	src.LeftOut = func(l secret.LeftOut) { s.leftOut = append(s.leftOut, inventory.LeftOutOf(l)) }
	stream, wait := src.Stream(ctx, endsAll)
	return stream, func() error { wait(); return session.close() }, nil
}
