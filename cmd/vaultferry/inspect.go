package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/backup/saved"
)

func (a *app) inspectCommand() *cobra.Command {
	var keyring string
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what a backup holds, without values",
		Long: `Without a keyring it shows the format, the id of the key that sealed the backup,
and the size. With a keyring, from --keyring or the configuration, it shows
everything but the values. It takes the same forms as "restore"; "-" reads
standard input.`,
		Example: `  vaultferry inspect payments-db-password-1700000000.000000
  vaultferry inspect answer.json --keyring keyring.json`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.inspect(cmd.Context(), args[0], keyring) },
	}
	cmd.Flags().StringVar(&keyring, "keyring", "", "open with this keyring")
	return cmd
}

// blobView is what inspect says. Opened tells which half is proved.
type blobView struct {
	File       string      `json:"file"`
	Path       string      `json:"path,omitempty"` // of the backup in the file
	Format     string      `json:"format"`
	KeyID      string      `json:"key_id"`
	Algorithm  string      `json:"algorithm"`
	Encryption string      `json:"encryption"`
	Size       int         `json:"size"`
	Opened     bool        `json:"opened"`
	Note       string      `json:"note,omitempty"`
	Origin     *originView `json:"origin,omitempty"`
	SealedAt   *time.Time  `json:"sealed_at,omitempty"`
	ProvedBy   string      `json:"proved_by,omitempty"` // the key that proves who made it
	Secret     *secretView `json:"secret,omitempty"`
}

func (a *app) inspect(ctx context.Context, file, keyring string) error {
	found, err := a.backupsIn(ctx, file)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%s: %s", file, message(err))
	}
	keys, err := a.optionalKeyring(ctx, keyring)
	if err != nil {
		return err
	}
	views := []blobView{}
	shut := 0
	for _, b := range found {
		v, err := inspectOne(keys, file, b)
		if err != nil {
			return err
		}
		if keys != nil && !v.Opened {
			shut++
		}
		views = append(views, v)
	}
	var document any = views
	if len(views) == 1 {
		document = views[0]
	}
	err = a.print(document, func(w io.Writer) error { return blobText(w, views) })
	return errors.Join(err, exitIfAny(shut))
}

func inspectOne(keys *backup.Keyring, file string, b saved.Backup) (blobView, error) {
	v := blobView{File: file, Path: b.Path}
	h, err := backup.Inspect(b.Blob)
	if err != nil {
		return v, fmt.Errorf("%s: %s", file, message(err))
	}
	v.Format, v.KeyID, v.Algorithm, v.Encryption, v.Size = h.Format, h.KeyID, h.Algorithm, h.Encryption, h.Size
	if keys == nil {
		v.Note = "not opened: no keyring; this half of the file is not authenticated"
	} else if err := v.open(keys, b.Blob); err != nil {
		v.Note = "not opened: " + message(err)
	}
	return v, nil
}

// blobText says where each of several was found.
func blobText(w io.Writer, views []blobView) error {
	for i := range views {
		if len(views) > 1 {
			if _, err := fmt.Fprintf(w, "at %s\n", printable(views[i].Path)); err != nil {
				return err
			}
		}
		if err := views[i].text(w); err != nil {
			return err
		}
	}
	return nil
}

// optionalKeyring returns the keyring of the flag, of the configuration, or none.
func (a *app) optionalKeyring(ctx context.Context, path string) (*backup.Keyring, error) {
	if path == "" {
		if _, err := os.Stat(a.configPath()); errors.Is(err, os.ErrNotExist) && a.configFile == "" {
			return nil, nil
		}
		cfg, err := a.loadUnresolved()
		if err != nil {
			return nil, err
		}
		return a.keyring(ctx, cfg)
	}
	return loadKeyring(path)
}

func (v *blobView) open(keys *backup.Keyring, blob []byte) error {
	d, err := keys.Open(blob)
	if err != nil {
		return err
	}
	s := viewSecret("", d.Secret)
	v.Opened, v.Secret, v.SealedAt, v.ProvedBy = true, &s, timeOrNil(d.SealedAt), d.ProvedBy
	v.Origin = &originView{Gateway: d.Origin.Gateway, Store: d.Origin.Store, Name: string(d.Origin.Name)}
	return nil
}

func (v *blobView) text(w io.Writer) error {
	rows := [][]string{
		{"format:", v.Format},
		{"sealed with:", v.Algorithm + ", " + v.Encryption},
		{"key id:", printable(v.KeyID)},
		{"size:", fmt.Sprintf("%d bytes", v.Size)},
	}
	if v.Note != "" {
		rows = append(rows, []string{"note:", v.Note})
	}
	if v.Opened {
		rows = append(rows,
			[]string{"sealed at:", shortTime(v.SealedAt)},
			[]string{"proved by:", cmp.Or(v.ProvedBy, "nothing: whoever holds the public half of the key can have made it")},
			[]string{"from:", fmt.Sprintf("%s in store %s of gateway %s", printable(v.Origin.Name), printable(v.Origin.Store), v.Origin.Gateway)},
			[]string{"name:", printable(v.Secret.Name)})
	}
	if err := table(w, rows); err != nil || !v.Opened {
		return err
	}
	return table(w, append([][]string{{""}}, versionRows(*v.Secret)...))
}
