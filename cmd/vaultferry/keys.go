package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/keysource"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make a keyring, and look after it",
		Long: `The keyring is a JWK set. Its first active key encrypts every backup. All of its
keys decrypt. No command here shows a key.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var keyring string
	cmd.PersistentFlags().StringVar(&keyring, "keyring", "", "the keyring's file (default: the configuration's)")
	cmd.AddCommand(a.keysNewCommand(&keyring), a.keysListCommand(&keyring), a.keysPublicCommand(&keyring), a.keysRetireCommand(&keyring),
		a.keysRewrapCommand(&keyring), a.keysSealCommand(), a.keysExportCommand(&keyring))
	return cmd
}

func (a *app) keysNewCommand(keyring *string) *cobra.Command {
	var file, alg, writeTo string
	var add bool
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "new --output-file FILE",
		Short: "Make a keyring, or add a key to one",
		Long: `Makes a keyring with one key that encrypts backups and one that signs tokens. The
file has mode 0600. An existing file is refused.

--add puts a key at the end of an existing keyring instead: of the file, or
without one of the configuration's, wherever that is. That key is on standby: it
decrypts at once, and encrypts when the keys before it are retired. Bring the
keyring to every gateway before you retire the old key. Where the keyring cannot be
changed, as in the environment, --write-to says where the changed one goes.

Types: A256KW (the default), RSA-OAEP-256, and ECDH-ES+A256KW, the choice for a
gateway that may encrypt but not decrypt (see "keys public"). EdDSA, with --add
alone, is a key that signs tokens.`,
		Example: `  vaultferry keys new --output-file keyring.json
  vaultferry keys new --type ECDH-ES+A256KW --output-file keyring.json
  vaultferry keys new --add --output-file keyring.json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" && !add {
				return usagef("--output-file is missing")
			}
			switch alg {
			case backup.AlgA256KW, backup.AlgECDH, backup.AlgRSA:
			case backup.AlgEdDSA:
				if !add {
					return usagef("a key of type %s signs and encrypts nothing: use it with --add", alg)
				}
			default:
				return usagef("--type is %s, %s, %s or %s, not %q", backup.AlgA256KW, backup.AlgECDH, backup.AlgRSA, backup.AlgEdDSA, alg)
			}
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			if !add {
				return a.newKeyring(cmd.Context(), file, alg, &w)
			}
			s, _, err := a.sourceOf(cmp.Or(file, *keyring))
			if err != nil {
				return err
			}
			return a.editKeyring(cmd.Context(), &keyringEdit{op: "cli.keys.add", at: s, writeTo: writeTo}, &w, func(k *backup.Keyring) (*backup.Keyring, string, error) {
				return k.Add(alg)
			})
		},
	}
	cmd.Flags().StringVar(&file, "output-file", "", "the keyring's file")
	cmd.Flags().StringVar(&alg, "type", backup.AlgA256KW, "the type of the key")
	cmd.Flags().BoolVar(&add, "add", false, "add to an existing keyring")
	writeToFlag(cmd, &writeTo)
	w.flags(cmd)
	return cmd
}

func (a *app) newKeyring(ctx context.Context, file, alg string, w *writeFlags) error {
	if err := w.approve(ctx, a, "write "+file+"?"); err != nil {
		return err
	}
	k, err := backup.NewKeyringOf(alg, backup.AlgEdDSA)
	if err != nil {
		return err
	}
	at := keysource.File{Path: file}
	if !w.dryRun {
		err := a.audited("cli.keys.new", at, file, func() (string, error) { return keyIDs(k), at.Create(ctx, k) })
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s exists already; --add puts a key at its end", file)
		}
		if err != nil {
			return err
		}
	}
	return a.printKeys(k, file)
}

// keyIDs names all keys of a new keyring.
func keyIDs(k *backup.Keyring) string {
	var ids []string
	for _, i := range k.Keys() {
		ids = append(ids, i.ID)
	}
	return strings.Join(ids, ",")
}

type keyringView struct {
	File    string    `json:"file"`
	Gateway string    `json:"gateway"`
	Keys    []keyView `json:"keys"`
}

type keyView struct {
	ID        string     `json:"id"`
	Algorithm string     `json:"algorithm"`
	Use       string     `json:"use"`
	Active    bool       `json:"active"`
	Private   bool       `json:"private"`
	Retired   *time.Time `json:"retired,omitempty"`
}

func (a *app) printKeys(k *backup.Keyring, file string) error {
	v := keyringView{File: file, Gateway: k.GatewayID(), Keys: []keyView{}}
	rows := [][]string{{"KEY", "TYPE", "DOES"}}
	for _, i := range k.Keys() {
		v.Keys = append(v.Keys, keyView{ID: i.ID, Algorithm: i.Algorithm, Use: i.Use, Active: i.Active, Private: i.Private, Retired: timeOrNil(i.Retired)})
		rows = append(rows, []string{i.ID, i.Algorithm, keyState(i)})
	}
	return a.print(v, func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "keyring %s of gateway %s (unless gateway.id says another)\n", file, v.Gateway); err != nil {
			return err
		}
		return table(w, rows)
	})
}

// keyState says what a key does.
func keyState(i backup.KeyInfo) string {
	use, both := "encrypts", "encrypts, decrypts"
	if i.Use == "sig" {
		use, both = "signs", "signs"
	}
	switch {
	case !i.Retired.IsZero():
		use = "retired " + i.Retired.Format(time.RFC3339)
		if both = use + ", decrypts"; i.Use == "sig" {
			both = use
		}
	case !i.Active:
		use = "standby"
		both = "standby (decrypts, does not encrypt yet)"
		if i.Use == "sig" {
			both = "standby (does not sign yet)"
		}
	}
	if i.Private {
		return both
	}
	return use + " (public half)"
}

func (a *app) keysListCommand(keyring *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys and what each does",
		Example: `  vaultferry keys list --keyring keyring.json`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := a.sourceOf(*keyring)
			if err != nil {
				return err
			}
			k, err := loadSource(cmd.Context(), s)
			if err != nil {
				return err
			}
			return a.printKeys(k, s.Name())
		},
	}
}

func (a *app) keysPublicCommand(keyring *string) *cobra.Command {
	var file string
	var signing bool
	cmd := &cobra.Command{
		Use: "public", Short: "Print the public halves: a keyring that encrypts and cannot decrypt",
		Long: `Prints a keyring of the public halves. A gateway that has no more can encrypt
backups and not decrypt them. --signing prints the halves of the keys that sign
alone: with them anybody can verify the audit ("audit verify --public-key") and
reports of migrations ("report verify --public-key").`,
		Example: `  vaultferry keys public --keyring keyring.json --output-file public.json
  vaultferry keys public --signing > audit-keys.json`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := a.sourceOf(*keyring)
			if err != nil {
				return err
			}
			k, err := loadSource(cmd.Context(), s)
			if err != nil {
				return err
			}
			halves := (*backup.Keyring).Public
			if signing {
				halves = (*backup.Keyring).PublicSigning
			}
			if k, err = halves(k); err != nil {
				return errors.New(message(err))
			}
			if !signing && !k.CanSeal() {
				return errors.New("no key of " + s.Name() + " has a public half that encrypts: symmetric keys have none")
			}
			if file != "" {
				return k.Create(file)
			}
			b, err := k.Reveal()
			if err != nil {
				return err
			}
			_, err = a.out.Write(b)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "output-file", "", "write a file of mode 0600 instead")
	cmd.Flags().BoolVar(&signing, "signing", false, "of the keys that sign alone")
	return cmd
}

func (a *app) keysRetireCommand(keyring *string) *cobra.Command {
	var w writeFlags
	var writeTo string
	cmd := &cobra.Command{
		Use: "retire KEY", Short: "Stop encrypting or signing with a key",
		Long: `KEY is an id that "keys list" shows. From the gateway's next start the oldest key
on standby encrypts, or signs, in the place of the retired one. A retired key
stays in the keyring: it still decrypts what it sealed, and tokens that it signed
are good until they expire. The last key that encrypts, or signs, is refused.

Where the keyring cannot be changed, as in the environment, --write-to says where
the changed one goes.`,
		Example: `  vaultferry keys list
  vaultferry keys retire 0123456789abcdef0123456789abcdef`,
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.requireTerminal(a); err != nil {
				return err
			}
			s, _, err := a.sourceOf(*keyring)
			if err != nil {
				return err
			}
			return a.retire(cmd.Context(), &keyringEdit{op: "cli.keys.retire", question: "retire " + args[0] + "?", at: s, writeTo: writeTo}, args[0], &w)
		},
	}
	writeToFlag(cmd, &writeTo)
	w.flags(cmd)
	return cmd
}

func (a *app) retire(ctx context.Context, e *keyringEdit, id string, w *writeFlags) error {
	return a.editKeyring(ctx, e, w, func(k *backup.Keyring) (*backup.Keyring, string, error) {
		sealed := k.CanSeal()
		_, _, signed := k.Signer()
		k, err := k.Retire(id, a.now())
		if errors.Is(err, secret.NotFound) {
			return nil, id, secret.Errorf(secret.NotFound, "it has no such key: %s; vaultferry keys list shows their ids", id)
		}
		if err != nil {
			return nil, id, err
		}
		if sealed && !k.CanSeal() {
			return nil, id, secret.Errorf(secret.Invalid, "%s is the only key that encrypts: add another first (keys new --add)", id)
		}
		if _, _, signs := k.Signer(); signed && !signs {
			return nil, id, secret.Errorf(secret.Invalid, "%s is the only key that signs: add another first (keys new --add --type %s)", id, backup.AlgEdDSA)
		}
		return k, id, nil
	})
}

// gatewayID is the configuration's; without one, the keyring's.
func gatewayID(cfg *config.Config, keys *backup.Keyring) string {
	return cmp.Or(cfg.Gateway.ID, keys.GatewayID())
}
