package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

type inventoryFlags struct {
	outputFile string
	force      bool
	runKey     string
	selection
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

What could not be read is named, and stands in the file as that; exit code 1.`,
		Example: `  vaultferry inventory payments --output-file payments.inventory
  vaultferry inventory payments --match 'team-a/*' --tag env=prod --output-file a.inventory
  vaultferry inventory payments --no-values --output-file names.inventory`,
		Args: arguments("STORE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if f.outputFile == "" || f.outputFile == "-" {
				return usagef("--output-file FILE is missing")
			}
			tags, err := parsePairs("--tag", f.tags)
			if err != nil {
				return err
			}
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			keys, err := loadKeyring(s.cfg.Keyring.File)
			if err != nil {
				return err
			}
			return a.inventory(cmd.Context(), s, keys, tags, &f)
		},
	}
	cmd.Flags().StringVar(&f.outputFile, "output-file", "", "the inventory's file")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace an existing file")
	cmd.Flags().StringVar(&f.runKey, "run-key", "", "the file of the run key, made if it is not there")
	f.flags(cmd)
	return cmd
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
	// LeftOut is what the store's lists should show and did not.
	LeftOut []inventory.LeftOut `json:"left_out,omitempty"`
}

type unreadView struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

func (a *app) inventory(ctx context.Context, s *session, keys *backup.Keyring, tags map[string]string, f *inventoryFlags) error {
	k, wrapped, err := newRunKey(f.runKey, keys)
	if err != nil {
		return err
	}
	report := inventoryReport{Store: s.store.Name, File: f.outputFile, RunKey: k.ID()}
	h := inventory.Header{
		Gateway: gatewayID(s.cfg, keys), Store: s.store.Name, Product: s.store.Backend, Begun: a.now().UTC(),
		Match: f.match, Tags: f.tags, NoValues: f.noValues, RunKeyID: k.ID(), RunKey: wrapped,
	}
	src := a.source(s, k, tags, &f.selection)
	src.LeftOut = func(l secret.LeftOut) { report.LeftOut = append(report.LeftOut, inventory.LeftOutOf(l)) }
	err = writeWhole(f.outputFile, f.force, func(file *os.File) error {
		buffered := bufio.NewWriter(file)
		w, err := inventory.NewWriter(buffered, h)
		if err != nil {
			return err
		}
		if err := src.Take(ctx, func(e *inventory.Entry) error {
			if e.Unread != "" {
				report.Unread = append(report.Unread, unreadView{string(e.Name), e.Unread})
			}
			return w.Write(e)
		}, endsAll); err != nil {
			return err
		}
		end, err := w.Close(a.now(), report.LeftOut, signWith(keys))
		if err != nil {
			return err
		}
		report.Count, report.Root = end.Count, end.Root
		return buffered.Flush()
	})
	switch {
	case errors.Is(err, os.ErrExist):
		return usagef("%s exists already; --force replaces it", f.outputFile)
	case err != nil:
		return fmt.Errorf("store %s: %w", s.store.Name, err)
	}
	for _, u := range report.Unread {
		a.complain(printable(u.Name) + ": " + u.Error)
	}
	for _, l := range report.LeftOut {
		a.complain(leftOutLine(l))
	}
	err = a.print(report, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: %s of %s\nroot %s\n", report.File, secrets(report.Count), report.Store, report.Root)
		return err
	})
	return errors.Join(err, exitIfAny(len(report.Unread)+len(report.LeftOut)))
}

// leftOutLine names what is not in an inventory and should be.
func leftOutLine(l inventory.LeftOut) string {
	name := printable(l.Name)
	if name == "" {
		name = "(without a name)"
	}
	return fmt.Sprintf("%s: not listed (%s)", name, l.Why)
}

func secrets(n int) string {
	if n == 1 {
		return "1 secret"
	}
	return fmt.Sprintf("%d secrets", n)
}

// signWith is nil where no key of the keyring signs.
func signWith(keys *backup.Keyring) func([]byte) (string, error) {
	if _, _, ok := keys.Signer(); !ok {
		return nil
	}
	return func(payload []byte) (string, error) { return keys.Sign(inventory.Type, payload) }
}

// inventoryPage is how many names a command asks for at once, while it reads
// those before.
const inventoryPage = 100

// inventoryReaders is how many secrets a command reads at once.
const inventoryReaders = 32

// source is a store as an inventory reads it.
func (a *app) source(s *session, k inventory.Key, tags map[string]string, f *selection) *inventory.Source {
	call := a.call("inventory")
	folds := s.foldsCase()
	return &inventory.Source{
		List: func(ctx context.Context, after secret.Name) (secret.Page, error) {
			return s.service.List(ctx, call, s.store.Name, secret.Query{After: after, Limit: inventoryPage, WithTrash: true})
		},
		Readers: inventoryReaders,
		Digest: func(ctx context.Context, name secret.Name) (*inventory.Entry, error) {
			return s.service.Digest(ctx, call, gateway.Ref{Store: s.store.Name, Name: name}, k, gateway.DigestOptions{NoValues: f.noValues, Tags: tags})
		},
		Takes: func(found *secret.Secret) bool {
			tagged := len(tags) == 0 || found.Deleted == nil // of what is deleted nobody asks for tags
			return tagged && matchesAny(f.match, string(found.Name), folds)
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
