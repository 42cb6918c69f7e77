package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/keysource"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/audit"
)

// keyringEdit is a change of a keyring.
type keyringEdit struct {
	op       string // of the audit
	question string // of --confirm; empty: whether to write
	at       keysource.Source
	writeTo  string // a new file, in the place of where it is; empty: there
}

func writeToFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "write-to", "", "write the changed keyring to this new file, and leave the keyring as it is")
}

// editKeyring changes a keyring, or only says what would stand there. edit returns
// the id of the key that it is about, too.
func (a *app) editKeyring(ctx context.Context, e *keyringEdit, w *writeFlags, edit func(*backup.Keyring) (*backup.Keyring, string, error)) error {
	place, editor := e.writeTo, keysource.Editor(nil)
	if place == "" {
		var ok bool
		if editor, ok = e.at.(keysource.Editor); !ok {
			return usagef("the keyring is in %s, which nobody can change there: --write-to FILE writes the changed keyring to a new file; put that in its place", e.at.Name())
		}
		place = e.at.Name()
	} else if err := mustBeNew(place); err != nil {
		return err
	}
	if err := w.approve(ctx, a, cmp.Or(e.question, "write "+place+"?")); err != nil {
		return err
	}
	k, err := loadSource(ctx, e.at)
	if err != nil {
		return err
	}
	if w.dryRun {
		if k, _, err = edit(k); err != nil {
			return errors.New(message(err))
		}
		return a.printKeys(k, place)
	}
	err = a.audited(e.op, e.at, e.writeTo, func() (id string, err error) {
		if editor == nil {
			if k, id, err = edit(k); err != nil {
				return id, err
			}
			return id, k.Create(e.writeTo)
		}
		err = editor.Edit(ctx, func(stands *backup.Keyring) (*backup.Keyring, error) {
			var err error
			k, id, err = edit(stands)
			return k, err
		})
		return id, err
	})
	if err != nil {
		return errors.New(message(err))
	}
	return a.printKeys(k, place)
}

// audited does what changes a keyring, between its two lines, if that is the
// keyring of the configuration. One that is of no gateway has no audit. file is what
// is written; empty: where the keyring is.
func (a *app) audited(op string, at keysource.Source, file string, do func() (key string, err error)) error {
	cfg, err := a.loadUnresolved() // a gateway that lacks something else has an audit nonetheless
	if err != nil || !a.isOwn(cfg, at) {
		_, err := do()
		return err
	}
	if file == "" {
		file = fileOf(at)
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	return a.between(cfg, op, file, func(e *audit.Entry) error {
		key, err := do()
		e.Key = key
		return err
	})
}

// isOwn reports whether the keyring is that of the configuration.
func (a *app) isOwn(cfg *config.Config, at keysource.Source) bool {
	own, err := a.keyringSource(cfg)
	if err != nil {
		return false
	}
	if file := fileOf(own); file != "" {
		path, err := filepath.Abs(fileOf(at))
		return err == nil && (path == filepath.Clean(file) || isSameFile(path, file))
	}
	return own.Name() == at.Name()
}

// fileOf is the file that a change writes; empty: there is none.
func fileOf(s keysource.Source) string {
	if f, ok := s.(interface{ File() string }); ok {
		return f.File()
	}
	return ""
}

// keysSealCommand seals for keyring.transit.
func (a *app) keysSealCommand() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use: "seal [FILE]", Short: "Seal a keyring with the transit key of the configuration",
		Long: `Seals the keyring in FILE, as "keys new" wrote it, with the key of Vault that
keyring.transit of the configuration names, and writes keyring.transit.file, which
must not be there yet. FILE stays.

Without FILE the keyring that is there already is sealed anew by the newest version
of the key: after that has been rotated, and before its min_decryption_version is
raised.

What was sealed is opened again before it is written. Vault makes no key by this.`,
		Example: `  vaultferry keys seal keyring.json
  vaultferry keys seal`,
		Args: arguments("[FILE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			s, cfg, err := a.sourceOf("")
			if err != nil {
				return err
			}
			sealed, ok := s.(*transitSource)
			if !ok {
				return usagef("%s is where the configuration's keyring is: name the transit key in keyring.transit first", cfg.Keyring.Key())
			}
			if len(args) == 0 {
				same := func(k *backup.Keyring) (*backup.Keyring, string, error) { return k, "", nil }
				return a.editKeyring(cmd.Context(), &keyringEdit{op: "cli.keys.seal", at: sealed}, &w, same)
			}
			return a.sealKeyring(cmd.Context(), sealed, args[0], &w)
		},
	}
	w.flags(cmd)
	return cmd
}

func (a *app) sealKeyring(ctx context.Context, sealed *transitSource, from string, w *writeFlags) error {
	k, err := loadKeyring(from)
	if err != nil {
		return err
	}
	if err := mustBeNew(sealed.File()); err != nil {
		return err
	}
	if err := w.approve(ctx, a, "write "+sealed.Name()+"?"); err != nil {
		return err
	}
	if !w.dryRun {
		err := a.audited("cli.keys.seal", sealed, "", func() (string, error) { return keyIDs(k), sealed.Create(ctx, k) })
		if err != nil {
			return err
		}
		a.note(fmt.Sprintf("%s opens everything without Vault: keep it elsewhere, and remove it here", from))
	}
	return a.printKeys(k, sealed.Name())
}

// keysExportCommand writes a plain keyring, wherever it was.
func (a *app) keysExportCommand(keyring *string) *cobra.Command {
	var w writeFlags
	var file string
	cmd := &cobra.Command{
		Use: "export --output-file FILE", Short: "Write the keyring to a file, unsealed",
		Long: `Writes the keyring of the configuration to a new file of mode 0600, as "keys new"
would have written it: to keep a copy of one that Vault seals, or to move it from
the environment, from a credential of systemd or from Vault to somewhere else.
Whoever reads that file opens every backup.`,
		Example: `  vaultferry keys export --output-file keyring.json`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("--output-file is missing")
			}
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			s, _, err := a.sourceOf(*keyring)
			if err != nil {
				return err
			}
			return a.exportKeyring(cmd.Context(), s, file, &w)
		},
	}
	cmd.Flags().StringVar(&file, "output-file", "", "the new file")
	w.flags(cmd)
	return cmd
}

func (a *app) exportKeyring(ctx context.Context, s keysource.Source, file string, w *writeFlags) error {
	if err := mustBeNew(file); err != nil {
		return err
	}
	if err := w.approve(ctx, a, "write the keyring to "+file+"?"); err != nil {
		return err
	}
	k, err := loadSource(ctx, s)
	if err != nil {
		return err
	}
	if !w.dryRun {
		if err := a.audited("cli.keys.export", s, file, func() (string, error) { return keyIDs(k), k.Create(file) }); err != nil {
			return err
		}
	}
	return a.printKeys(k, file)
}
